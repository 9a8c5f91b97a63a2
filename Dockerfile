# edgeclip serve, from this repository. docker build -t edgeclip . && docker run -p 3000:3000 edgeclip
FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && mkdir packed && npm pack --ignore-scripts --pack-destination packed

FROM node:24-slim AS install
WORKDIR /app
COPY --from=build /build/packed/ packed/
# The optional packages: PostgreSQL, measurements, batches.
RUN npm install --ignore-scripts --no-audit --no-fund packed/edgeclip-*.tgz pg@8 pg-copy-streams@7 prom-client@15 \
  aws4fetch@1 bullmq@6 hyparquet@1 hyparquet-writer@0.17 ioredis@6 modern-tar@0.8 \
  && rm -r packed

FROM node:24-slim
ENV NODE_ENV=production
# Folders for volumes, which the user may write.
RUN install --directory --owner=node --group=node /data /thumbnails
COPY --from=install /app /app
USER 1000:1000
WORKDIR /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:3000/health').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/node_modules/edgeclip/dist/cli/main.js"]
CMD ["serve", "--host", "0.0.0.0"]

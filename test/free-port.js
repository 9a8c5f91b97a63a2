// Ports for servers that must be told one.
import { createServer } from 'node:net';

/** Linux gives connections their ports from 32,768 up, so that one of these is not taken between the look at it and its use. */
const FIRST = 10_000;
const END = 32_000;

const isFree = (port) =>
  new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

/** A port of 127.0.0.1 that is free; `beside`: how far above it another must be free, too. */
export async function freePort(beside = 0) {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (END - FIRST - beside));
    if ((await isFree(port)) && (await isFree(port + beside))) return port;
  }
}

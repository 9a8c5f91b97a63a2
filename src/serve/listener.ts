/** A server's sockets in Node, Deno and Bun: how long clients may take, and an end that finishes what is begun. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { ClipError } from '../errors.ts';
import type { App } from './app.ts';

export interface ListenOptions {
  readonly port: number;
  readonly host: string;
  /** How long a client may take for the head of its request, and for reading the answer, in ms. */
  readonly patience: number;
}

/** A server that listens. */
export interface Listener {
  readonly port: number;
  /** Takes no more connections; resolves when all that was begun is answered. */
  close(): Promise<void>;
}

/** Why an address cannot be listened on. */
const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken',
  EADDRNOTAVAIL: 'this machine does not have the address',
  EACCES: 'the port needs more rights',
  ENOTFOUND: 'there is no such host',
};

/** @throws ClipError IO if the port cannot be had */
export async function listen(app: App, { port, host, patience }: ListenOptions): Promise<Listener> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    overrideGlobalObjects: false,
    serverOptions: { connectionsCheckingInterval: Math.min(1000, patience) },
  }) as Server;
  server.headersTimeout = patience;
  server.requestTimeout = 0; // bodies have a time of their own (body.ts)
  server.keepAliveTimeout = 5000;
  server.on('request', (_, response) => {
    const { socket } = response;
    // Who does not read the answer is cut off: Node destroys a socket at its timeout, and sets it anew for the next request.
    response.on('prefinish', () => socket?.setTimeout(patience));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = REASONS[cause.code ?? ''] ?? cause.message;
      reject(new ClipError('IO', `cannot listen on ${host}, port ${port}: ${reason}`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      await app.close();
      const timer = setTimeout(() => server.closeAllConnections(), patience);
      // Connections become idle one by one as their answers are sent.
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      await closed;
      clearInterval(idle);
      clearTimeout(timer);
    },
  };
}

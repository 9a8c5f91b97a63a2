/** A network that fails: a storage that answers some requests with 500, and a line to the queue that can be cut. */
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';

/** Passes requests on, but answers a share of them with 500, before or after the storage has done what they ask. */
export async function unreliableStorage(port: number, share: number, random: () => number) {
  let refused = 0;
  const server = createServer((asked, answer) => {
    const fails = random() < share;
    if (fails) refused++;
    if (fails && random() < 0.5) {
      asked.resume();
      answer.writeHead(500).end('<Error><Code>InternalError</Code><Message>a test</Message></Error>');
      return;
    }
    // The signature covers the host that was asked, so it is passed on as it is.
    const passed = request({
      port,
      host: '127.0.0.1',
      method: asked.method!,
      path: asked.url!,
      headers: asked.headers,
    });
    passed.on('response', (response) => {
      if (fails) {
        response.resume(); // done, but nobody learns it
        answer.writeHead(500).end();
        return;
      }
      answer.writeHead(response.statusCode!, response.headers);
      response.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    asked.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    refused: () => refused,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A line to a port that can be cut for a while. */
export async function cuttableLine(port: number) {
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createTcpServer((near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      // biome-ignore format: one line
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    stop() {
      this.cut();
      server.close();
    },
  };
}

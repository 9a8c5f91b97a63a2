// The server as a function, behind the runtime's own listener. Prints its port; ends at SIGTERM.
import { createApp } from '../../../dist/serve.js';
import { loadClip } from '../../../dist/worker.js';

const app = createApp(() => loadClip({ threads: 1 }), { names: ['default'], maxWait: 60 });
let stop;
if (globalThis.Bun) {
  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: app.fetch });
  stop = () => server.stop();
  console.log(JSON.stringify({ message: 'listening', port: server.port }));
} else {
  const onListen = ({ port }) => console.log(JSON.stringify({ message: 'listening', port }));
  const server = Deno.serve({ port: 0, hostname: '127.0.0.1', onListen }, app.fetch);
  stop = () => server.shutdown();
}
process.on('SIGTERM', async () => {
  await app.close();
  await stop();
});

import { withMissingWeights } from './missing-weights.js';
import { deno, versionOf } from './runtime.js';
import { serve } from './server.js';
import { checkService } from './service.js';

export default async function denoDeploy({ folder, expected }) {
  const start = () => serve(deno, ['task', 'start'], folder, { PORT: '0' });
  const { server, checks } = await withMissingWeights(folder, 'node_modules/edgeclip/weights/default/image.bin', start);
  try {
    return { checks: checks + (await checkService(server.base, { expected })), runtime: versionOf(deno) };
  } finally {
    await server.stop();
  }
}

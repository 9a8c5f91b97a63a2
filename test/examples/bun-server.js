import { withMissingWeights } from './missing-weights.js';
import { bun, versionOf } from './runtime.js';
import { serve } from './server.js';
import { checkService } from './service.js';

export default async function bunServer({ folder, expected }) {
  const start = () => serve(bun, ['server.js'], folder, { PORT: '0' });
  const { server, checks } = await withMissingWeights(folder, 'node_modules/edgeclip/weights/default/image.bin', start);
  try {
    return { checks: checks + (await checkService(server.base, { expected })), runtime: `Bun ${versionOf(bun)}` };
  } finally {
    await server.stop();
  }
}

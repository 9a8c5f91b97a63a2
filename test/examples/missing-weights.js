// A load that fails, in runtimes that read the package's files: the weights are away, and come back.
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { firstRequests } from './service.js';

/**
 * @param path the file of weights in the example's folder
 * @param start starts the service; called while the file is away
 * @returns {Promise<{ server: object, checks: number }>} the service, which has loaded by then
 */
export async function withMissingWeights(folder, path, start) {
  const file = join(folder, path);
  renameSync(file, `${file}.away`);
  let server;
  try {
    try {
      server = await start();
      assert.deepEqual(new Set(await firstRequests(server.base)), new Set([503]));
    } finally {
      renameSync(`${file}.away`, file);
    }
    assert.deepEqual(new Set(await firstRequests(server.base)), new Set([200]));
  } catch (error) {
    await server?.stop(); // it would keep its port
    throw error;
  }
  return { server, checks: 2 };
}

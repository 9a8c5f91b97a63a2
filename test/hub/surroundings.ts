/** A fake hub, and a home folder of its own for each test; the environment variables point there. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { RETRY } from '../../src/hub/client.ts';
import { loadClip } from '../../src/load.ts';
import type { LoadOptions } from '../../src/load-options.ts';
import { readFolder } from '../api/checkpoint.ts';
import { goldenPath, syntheticPicture } from '../model/golden.ts';
import { FakeHub } from './fake-hub.ts';

export const NAME = 'someone/tiny-vit';
export const WEIGHTS = 'open_clip_model.safetensors';
export const model = readFolder('tiny-vit');
export const weights = model[WEIGHTS]!;
const picture = syntheticPicture(80);

export const here: { hub: FakeHub; top: string } = {} as never;

export function useFakeHub(): void {
  RETRY.pauseMs = 5;
  beforeEach(async () => {
    here.hub = await FakeHub.start();
    here.top = mkdtempSync(join(tmpdir(), 'edgeclip hub #1 100% '));
    process.env.HF_ENDPOINT = here.hub.address;
    process.env.HF_HOME = join(here.top, 'home');
  });
  afterEach(async () => {
    for (const name of [
      'HF_ENDPOINT',
      'HF_HOME',
      'HF_HUB_CACHE',
      'HF_TOKEN',
      'HF_TOKEN_PATH',
      'HF_HUB_OFFLINE',
      'HF_HUB_DISABLE_IMPLICIT_TOKEN',
    ])
      delete process.env[name];
    rmSync(here.top, { recursive: true, force: true });
    await here.hub.stop();
  });
}

/** A path in the model's folder of the cache. */
export const cache = (...path: string[]): string =>
  join(here.top, 'home', 'hub', `models--${NAME.replace('/', '--')}`, ...path);

export async function embedding(name: string = NAME, options: LoadOptions = {}): Promise<Float32Array> {
  using clip = await loadClip(name, { towers: ['image'], ...options });
  return await clip.encodeImage(picture);
}

export const golden = (): Promise<Float32Array> => embedding(goldenPath('tiny-vit'));

/** ViT-B/32 with synthetic weights, packed into a temporary folder: it is loaded as a user's model is. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Precision } from '../src/engine/arithmetic.ts';
import type { Tower } from '../src/model/config.ts';
import { readDescription, towerSource } from '../src/weights/model-files.ts';
import { openTower } from '../src/weights/open-tower.ts';
import { packTower } from '../src/weights/packing.ts';
import { syntheticFiles, VIT_B_32 } from '../test/model/synthetic.ts';

const folders = new Map<Precision, string>();

/** The folder of the model in this precision, made when first asked for. The f32 one has no text tower. */
export async function vitB32(precision: Precision): Promise<string> {
  let folder = folders.get(precision);
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), `edgeclip-bench-${precision}-`));
    folders.set(precision, folder);
    await pack(folder, precision, precision === 'int8' ? ['image', 'text'] : ['image']);
  }
  return folder;
}

async function pack(folder: string, precision: Precision, towers: readonly Tower[]): Promise<void> {
  const files = syntheticFiles('vit-b-32', VIT_B_32);
  const { config, preprocess } = await readDescription(files);
  for (const tower of towers) {
    const source = await towerSource(files, tower);
    const file = await openTower(source, config, tower, precision, preprocess);
    const bytes = new Uint8Array(file.layout.byteLength);
    await file.fill(bytes);
    for (const { name, parts } of packTower(file.layout, bytes, { config, tower, normalization: preprocess })) {
      writeFileSync(join(folder, name), Buffer.concat(parts));
    }
  }
  writeFileSync(join(folder, 'open_clip_config.json'), JSON.stringify(VIT_B_32));
}

export function removeModels(): void {
  for (const folder of folders.values()) rmSync(folder, { recursive: true, force: true });
  folders.clear();
}

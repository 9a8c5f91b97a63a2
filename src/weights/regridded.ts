/** A packed tower for another image size: its bytes as they are, and the positions on another grid. */
import { Layout } from '../engine/layout.ts';
import { towerSlots } from '../model/registry.ts';
import type { PackedModel, PackedTower } from './packed.ts';
import { resizePositions } from './position-grid.ts';
import type { TowerFile } from './tower-file.ts';

/** @param packed the tower as it was trained, in the wanted precision */
export async function regriddedTower(packed: PackedTower, { config, tower }: PackedModel): Promise<TowerFile> {
  const { precision } = packed.layout;
  const slots = (await towerSlots(config, tower)).filter(({ name }) =>
    packed.layout.slots.some((one) => one.name === name),
  );
  const layout = new Layout(slots, precision);
  const grids = new Map(layout.slots.flatMap(({ name, from }) => (from.grid ? [[name, from.grid] as const] : [])));
  return {
    tower,
    layout,
    stored: [`packed ${precision}`],
    async fill(into, { signal, onProgress } = {}) {
      let loaded = 0;
      for (const { name, offset, byteLength } of layout.tensors.values()) {
        signal?.throwIfAborted();
        const bytes = await packed.read(name, signal);
        const grid = grids.get(name);
        if (grid) {
          const positions = new Float32Array(into.buffer, into.byteOffset + offset, byteLength / 4);
          positions.set(resizePositions(packed.positions(name, bytes), grid));
        } else into.set(bytes, offset);
        loaded += byteLength;
        onProgress?.({ tower, loaded, total: layout.byteLength });
      }
    },
  };
}

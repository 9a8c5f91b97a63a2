/** Loads the image tower of a model, in blocks of this many bytes: `tsx load-in-parts.ts NAME BLOCK`. */
import { PARTS } from '../../src/hub/tower-parts.ts';
import { loadClip } from '../../src/load.ts';

const [name, block] = process.argv.slice(2);
Object.assign(PARTS, { block: Number(block), least: 4 * Number(block) });
await loadClip(name!, { towers: ['image'] });

/** Loads the image tower of a model, in blocks of this many bytes: `tsx load-in-parts.ts NAME BLOCK [NOTE_MS]`. */
import { PARTS } from '../../src/hub/block-list.ts';
import { loadClip } from '../../src/load.ts';

const [name, block, noteMs = PARTS.noteMs] = process.argv.slice(2);
Object.assign(PARTS, { block: Number(block), least: 4 * Number(block), noteMs: Number(noteMs) });
await loadClip(name!, { towers: ['image'] });

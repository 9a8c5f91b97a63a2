/** Loads a model in a process of its own and prints its first numbers: `tsx load-once.ts NAME [JSON of options]`. */
import { loadClip } from '../../src/load.ts';
import { syntheticPicture } from '../model/golden.ts';

const [name, options = '{}'] = process.argv.slice(2);
const clip = await loadClip(name!, { towers: ['image'], ...JSON.parse(options) });
console.log(JSON.stringify([...(await clip.encodeImage(syntheticPicture(80)))]));

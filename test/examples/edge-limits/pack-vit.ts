/** Writes ViT-B/32 at full size with synthetic weights as `edgeclip convert MODEL -o DIR --shard-size 24MiB` does: tsx pack-vit.ts DIR */
import { writePackedFolder } from '../../../src/cli/packed-folder.ts';
import { syntheticFiles, VIT_B_32 } from '../../model/synthetic.ts';

await writePackedFolder(syntheticFiles('vit-b-32', VIT_B_32), process.argv[2]!, {
  precision: 'int8',
  shardBytes: 24 << 20,
});

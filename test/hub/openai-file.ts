/** A small file as OpenAI's are, published in place of its RN50 by a fake server. */
import { readFileSync } from 'node:fs';
import { PUBLISHED } from '../../src/hub/published-models.ts';
import { loadClip } from '../../src/load.ts';
import { goldenPath, syntheticPicture } from '../model/golden.ts';
import { sha256 } from './fake-hub.ts';
import { here } from './surroundings.ts';

const OPENAI = 'https://openaipublic.azureedge.net/clip/models';

/** @param bytes another content of the file */
export async function openaiFile(bytes = readFileSync(goldenPath('torch/openai.pt'))) {
  const path = goldenPath('torch/openai.pt');
  const pixels = syntheticPicture(48);
  using clip = await loadClip(path, { towers: ['image'] });
  const expected = await clip.encodeImage(pixels);
  const asked: { method: string; range: string | undefined; authorization: string | undefined }[] = [];
  /** Both servers, by the addresses that they have elsewhere. */
  const toOpenai: typeof fetch = async (input, init) => {
    const address = String(input);
    if (!address.startsWith(OPENAI)) return fetch(address.replace('https://huggingface.co', here.hub.address), init);
    const { method, headers } = new Request(address, init);
    const range = headers.get('range') ?? undefined;
    asked.push({ method, range, authorization: headers.get('authorization') ?? undefined });
    if (address !== PUBLISHED.RN50!.tags.openai!.file) return new Response('no', { status: 404 });
    const [, start = '0', last = `${bytes.length - 1}`] = /^bytes=(\d+)-(\d+)?$/.exec(range ?? '') ?? [];
    const content = bytes.subarray(Number(start), Number(last) + 1);
    const given = { 'content-length': `${content.length}`, ...(range && { 'content-range': `bytes ${start}-${Number(start) + content.length - 1}/${bytes.length}` }) }; // biome-ignore format: one line
    return new Response(method === 'HEAD' ? null : content, { status: range ? 206 : 200, headers: given });
  };
  const tag = PUBLISHED.RN50!.tags.openai as { file?: string };
  const file = {
    bytes,
    id: sha256(bytes),
    /** Runs `work` while the table has the file. */
    async published(work: () => Promise<void>): Promise<void> {
      const { file } = tag;
      tag.file = `${OPENAI}/${sha256(bytes)}/RN50.pt`;
      try {
        await work();
      } finally {
        tag.file = file!;
      }
    },
  };
  return { file, pixels, expected, asked, toOpenai };
}

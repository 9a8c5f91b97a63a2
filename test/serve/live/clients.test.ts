/** Python's clients (clients.py), as they are: OpenAI's, and Hugging Face's. */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../../src/load.ts';
import { fromBase64, photoFile, served } from '../server.ts';

const python = process.env.EDGECLIP_PYTHON ?? 'python3';
const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const hasClients = (() => {
  const { status } = spawnSync(python, ['-c', 'import openai, huggingface_hub, numpy']);
  if (status === 0) return true;
  const missing = `${python} lacks packages: pip install openai huggingface_hub numpy, and name the Python by EDGECLIP_PYTHON`;
  if (process.env.EDGECLIP_PYTHON) throw new Error(missing);
  console.warn(missing);
  return false;
})();

describe.skipIf(!hasClients)("Python's clients (EDGECLIP_PYTHON: a Python that has them)", () => {
  it('get the bits of direct calls, labels and typed errors', async () => {
    using clip = await loadClip();
    const server = await served(clip);
    try {
      const picture = file('../../golden/photos/cat.png');
      const { stdout } = await promisify(execFile)(python, [file('clients.py'), server.url, picture]);
      const said = JSON.parse(stdout);
      const texts = await clip.encodeText(['a photo of a cat', 'a rocket']);
      const cat = await clip.encodeImage(photoFile('cat.png'));
      const counts = await clip.countTokens(['a photo of a cat', 'a rocket']);
      const classifier = await clip.classifier(['dog', 'cat'], { templates: 'a picture of a {}' });
      expect(said.encoding).toBe('base64'); // what the client asks for by itself
      expect(said.texts.map(fromBase64)).toEqual(texts);
      expect(fromBase64(said.plain)).toEqual(texts[1]);
      expect(fromBase64(said.picture)).toEqual(cat);
      expect([said.tokens, said.models]).toEqual([counts[0]! + counts[1]!, ['default']]);
      expect(said.refusals).toEqual([
        { type: 'NotFoundError', status: 404, code: 'model_not_found', param: 'model' },
        { type: 'BadRequestError', status: 400, code: 'DIMENSIONS', param: 'dimensions' },
        { type: 'BadRequestError', status: 400, code: 'REQUEST', param: 'input' },
      ]);
      const ranked = (await classifier.classify(cat)).map(({ label, score }) => [label, Math.fround(score)]);
      expect(said.labels.map(([label, score]: [string, number]) => [label, Math.fround(score)])).toEqual(ranked);
    } finally {
      await server.close();
    }
  });
});

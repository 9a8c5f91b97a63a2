/** `edgeclip embed`: vectors of pictures and texts. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import type { Clip } from '../clip.ts';
import { toPath } from '../file-name.ts';
import type { Tower } from '../model/config.ts';
import { forEachPicture } from './batch.ts';
import { addEmbedCommand, checkEmbedOptions, type EmbedOptions } from './embed-options.ts';
import { embedStream } from './embed-stream.ts';
import { EXIT_FAILED } from './failure.ts';
import { type PictureInput, Pictures } from './inputs.ts';
import { readTexts } from './labels.ts';
import { rowMakers } from './maker.ts';
import { checkTokenizer, loadModel } from './model.ts';
import { checkStandardOutput, isDirect, standardOutput } from './output.ts';
import { checkOverwrites } from './overwrites.ts';
import { checkWritable } from './partial-file.ts';
import { Progress } from './progress.ts';
import { RowWriter } from './row-writer.ts';
import { ROW_FORMATS, type Stamp } from './rows.ts';
import { checkStandardInput } from './standard-input.ts';

/** Texts per call: enough to share prefixes, few enough for constant memory. */
const TEXT_CHUNK = 1024;

export function addEmbed(program: Command): void {
  addEmbedCommand(program).action(embed);
}

async function embed(images: string[], options: EmbedOptions): Promise<void> {
  checkEmbedOptions(options, images);
  if (options.stream) return stream(options);
  const { textFile, filesFrom, output, index, orient = false, scaled = false, normalize, resume = false } = options;
  const textFiles = [textFile, filesFrom];
  checkStandardInput([...images, ...textFiles]);
  const texts = [...(options.text ?? []), ...(textFile === undefined ? [] : await readTexts(textFile))];
  const progress = new Progress();
  const pictures = await Pictures.collect(images, options, progress, 'embed');
  const { inputs } = pictures;
  const paths = { ...(output !== undefined && { output }), ...(index !== undefined && { index }) };
  checkOverwrites(paths, { pictures: inputs, texts: textFiles, model: options.model });
  if (output === undefined) checkStandardOutput();
  for (const path of Object.values(paths)) if (!isDirect(path)) await checkWritable(path);

  const towers = [...(inputs.length > 0 ? (['image'] as const) : []), ...(texts.length > 0 ? (['text'] as const) : [])];
  if (towers.length === 0) towers.push('image'); // nothing was found: the output has no rows
  using clip = await loadModel(options, towers, progress);
  if (texts.length > 0) {
    checkTokenizer(clip);
    clip.tokenize([texts[0]!]); // fails before the pictures if the tokenizer cannot be used
  }
  const makers = index === undefined ? undefined : await rowMakers(clip, { normalize, orient, scaled });
  const writer = await RowWriter.open(
    { ...paths, format: ROW_FORMATS[options.format], width: clip.config.embedDim, resume, ...(makers && { makers }) },
    progress,
  );

  try {
    const failed = await embedInto(writer, clip, inputs, texts, options, progress);
    await writer.end();
    pictures.reportSkipped();
    if (failed > 0) process.exitCode = EXIT_FAILED;
  } catch (error) {
    const kept = await writer.stop();
    if (kept !== undefined) progress.line(kept);
    throw error;
  }
}

/** `--stream`: each tower is loaded when the first line needs it. A line that fails has its error in its answer, not in the exit code. */
async function stream(options: EmbedOptions): Promise<void> {
  const { normalize, orient = false, scaled = false, maxPixels } = options;
  const progress = new Progress();
  const loaded = new Map<Tower, Promise<Clip>>();
  const model = (tower: Tower) => {
    const clip = loaded.get(tower) ?? loadModel(options, [tower], progress);
    loaded.set(tower, clip);
    return clip;
  };
  await model('image'); // a model that cannot be loaded fails before the first line
  const models = { pictures: () => model('image'), texts: () => model('text') };
  await embedStream(process.stdin, standardOutput(), models, {
    normalize,
    orient,
    scaled,
    ...(maxPixels !== undefined && { maxPixels }),
  });
  for (const clip of loaded.values()) (await clip.catch(() => undefined))?.dispose();
}

/** Writes the rows of all pictures, then of all texts. Returns how many pictures failed. */
async function embedInto(
  writer: RowWriter,
  clip: Clip,
  inputs: readonly PictureInput[],
  texts: readonly string[],
  { orient = false, scaled = false, normalize, resume = false }: EmbedOptions,
  progress: Progress,
): Promise<number> {
  // Taken before reading, so that a file that changes meanwhile is recomputed by the next --resume.
  const stamps = new Map<number, Stamp | undefined>();
  let pictures = inputs.map(({ name, isFile, read }, place) => ({
    name,
    isFile,
    place,
    read: () => {
      stamps.set(place, stampOf(name, isFile));
      return read();
    },
  }));
  let words = texts.map((text, i) => ({ text, place: inputs.length + i }));
  if (resume) {
    pictures = pictures.filter(({ name, isFile, place }) => !writer.keep(place, { file: name }, stampOf(name, isFile)));
    words = words.filter(({ text, place }) => !writer.keep(place, { text }));
    const all = inputs.length + texts.length;
    const kept = all - pictures.length - words.length;
    if (kept > 0) progress.line(`resuming: ${kept} of ${all} rows are kept`);
    else if (all > 0) progress.line(`nothing to resume: ${writer.whyNoneKept()}`);
  }
  const failed = await forEachPicture(
    clip,
    pictures,
    { orient, scaled, normalize },
    progress,
    async (embedding, picture) => {
      const { name, place } = picture;
      await writer.add(place, { file: name }, stamps.get(place), embedding);
      stamps.delete(place);
    },
  );
  await embedTexts(clip, words, normalize, progress, ({ text, place }, embedding) =>
    writer.add(place, { text }, undefined, embedding),
  );
  return failed;
}

async function embedTexts<T extends { readonly text: string }>(
  clip: Clip,
  texts: readonly T[],
  normalize: boolean,
  progress: Progress,
  deliver: (text: T, embedding: Float32Array) => Promise<void>,
): Promise<void> {
  for (let first = 0; first < texts.length; first += TEXT_CHUNK) {
    const some = texts.slice(first, first + TEXT_CHUNK);
    const onProgress = ({ done }: { done: number }) => progress.show('texts', first + done, texts.length);
    const embeddings = await clip.encodeText(
      some.map(({ text }) => text),
      { normalize, onProgress },
    );
    for (const [i, text] of some.entries()) await deliver(text, embeddings[i]!);
  }
  progress.clear();
}

/** Size and time of a regular file. */
function stampOf(name: string, isFile: boolean): Stamp | undefined {
  if (!isFile) return undefined;
  try {
    // From nanoseconds, truncated to milliseconds: `mtime` itself is rounded in Node and truncated in Deno and Bun.
    const stat = statSync(toPath(name), { bigint: true });
    return stat.isFile() ? { size: Number(stat.size), mtime: new Date(Number(stat.mtimeMs)).toISOString() } : undefined;
  } catch {
    return undefined;
  }
}

/** One shard from its pictures to its part. */
import type { Clip } from '../clip.ts';
import { ClipError } from '../errors.ts';
import { pictureSize } from '../image/picture-size.ts';
import { show } from '../json.ts';
import { sha256 } from './checksum.ts';
import { InputError } from './input-error.ts';
import { planGone } from './output-error.ts';
import { checkPart, readSummary } from './part-reader.ts';
import { doneParts, type PartMaker, type PartRow, PartWriter, type PictureFacts, partFiles } from './parts.ts';
import { PictureError } from './picture-error.ts';
import { type Layout, type PlanHead, type PlannedShard, planName } from './plan.ts';
import type { PictureSource } from './sources.ts';
import type { Storage } from './storage.ts';

/** How the pictures of a shard are decoded. */
export interface ShardPictureOptions {
  readonly orient: boolean;
  readonly scaled: boolean;
  readonly maxPixels?: number;
}

export interface ShardJob {
  readonly clip: Clip;
  readonly head: PlanHead;
  readonly output: Storage;
  readonly source: PictureSource;
  readonly made: PartMaker;
  readonly options: ShardPictureOptions;
  readonly signal: AbortSignal;
  /** Called after each picture. */
  readonly onPicture?: (done: number) => void;
}

export interface ShardResult {
  readonly pictures: number;
  readonly failed: number;
  /** Whether another worker had written the part already. */
  readonly wasThere: boolean;
}

/** The batch's own file that says what makes its rows. */
const MAKER = 'plan/maker.json';

/**
 * Claims an output for what makes the rows; later workers must have the same.
 * @throws ClipError BATCH_MODEL if the output belongs to another model or other options
 */
export async function claimOutput(
  output: Storage,
  layout: Layout,
  made: PartMaker,
  signal?: AbortSignal,
): Promise<void> {
  let file = await output.read(MAKER, { signal }); // first: what is complete may be read-only
  if (!file) {
    const parts = await partsMaker(output, layout);
    if (parts) checkSameMaker(output, parts, made);
    const bytes = new TextEncoder().encode(`${JSON.stringify(made)}\n`);
    if (await output.create(MAKER, bytes, signal)) return;
    file = await output.read(MAKER, { signal });
  }
  checkSameMaker(output, parseMaker(output, file), made);
}

function checkSameMaker(output: Storage, stored: PartMaker, made: PartMaker): void {
  if (stored.maker === made.maker) return;
  const same = stored.model?.name === made.model.name && stored.model.precision === made.model.precision;
  const what = ({ model, version }: PartMaker) =>
    `${show(model?.name)} in ${model?.precision}${same ? `, edgeclip ${version} (${model.fingerprint ?? 'unknown'})` : ''}`;
  throw new ClipError('BATCH_MODEL', `${output.place} has parts of ${what(stored)}; ${what(stored) === what(made) ? 'those with other options for pictures' : `those of ${what(made)}`} cannot be beside them`); // biome-ignore format: one line
}

/** What makes the parts of an output; undefined before the first worker. @throws ClipError IO, PLAN_FORMAT */
export async function outputMaker(output: Storage, layout: Layout): Promise<PartMaker | undefined> {
  const bytes = await output.read(MAKER);
  return bytes ? parseMaker(output, bytes) : await partsMaker(output, layout);
}

/** When the first worker began, in milliseconds since 1970; undefined if nothing says. @throws ClipError IO */
export const begunAt = async (output: Storage): Promise<number | undefined> => (await output.find(MAKER))?.modified;

/** What the first part that is whole says; the batch's own file may be lost. */
async function partsMaker(output: Storage, layout: Layout): Promise<PartMaker | undefined> {
  for (const { files } of await doneParts(output, layout)) {
    try {
      return await readSummary(output, files.at(-1)!);
    } catch (error) {
      if ((error as ClipError).code !== 'PLAN_FORMAT') throw error;
    }
  }
  return undefined;
}

function parseMaker(output: Storage, bytes: Uint8Array | undefined): PartMaker {
  try {
    if (!bytes?.length) throw new TypeError('it is empty');
    const value = JSON.parse(new TextDecoder().decode(bytes)) as PartMaker;
    if (typeof value.maker === 'string' && typeof value.model?.name === 'string') return value;
    throw new TypeError('it does not say what made the parts');
  } catch (cause) {
    throw new ClipError('PLAN_FORMAT', `${output.place}: ${MAKER} is damaged: ${(cause as Error).message}: remove it, and a worker makes it again`, { cause }); // biome-ignore format: one line
  }
}

/**
 * Embeds a shard's pictures and writes its part, unless it is there. A picture that cannot be embedded has a row with the reason;
 * if its place cannot be read, or is empty, the shard fails.
 * @throws ClipError IO, WORKER, DISPOSED; InputError, OutputError; the signal's reason
 */
export async function workShard(shard: PlannedShard, job: ShardJob): Promise<ShardResult> {
  const { clip, head, output, source, made, options, signal, onPicture } = job;
  const files = await Promise.all(partFiles(head.layout, shard.part).map((name) => output.find(name, signal)));
  if (files.every((file) => file !== undefined)) {
    await checkPart(output, { head, shard: shard.check, maker: made.maker }, { part: shard.part, files });
    return { pictures: 0, failed: 0, wasThere: true };
  }
  const writer = await PartWriter.open({ layout: head.layout, half: head.half, part: shard.part, shard: shard.check, made }); // biome-ignore format: one line
  const waiting: { readonly key: string; facts?: PictureFacts; broken?: unknown }[] = [];
  async function* items() {
    for await (const { key, bytes } of source.pictures(shard, signal)) {
      const picture: (typeof waiting)[number] = { key };
      waiting.push(picture);
      yield async () => {
        let file: Uint8Array;
        try {
          file = await bytes();
        } catch (error) {
          if (!isPicturesOwn(error)) picture.broken = error;
          throw error;
        }
        picture.facts = { ...(await pictureSize(file, options)), sha256: sha256(file) };
        return file;
      };
    }
  }
  for await (const { embedding, error } of clip.encodeImages(items(), { ...options, signal })) {
    const { key, facts, broken } = waiting.shift()!;
    if (broken !== undefined) throw broken;
    writer.add(rowOf(key, facts, embedding, error));
    onPicture?.(writer.pictures);
  }
  const { pictures, failed } = writer;
  const empty = pictures > 0 && failed === pictures ? await source.emptyInput(signal) : undefined;
  if (empty !== undefined) {
    throw new InputError('IO', `${show(empty)} is empty, where the plan has pictures: is its disk mounted?`); // biome-ignore format: one line
  }
  // Where its disk was unmounted, the folder is there, but another one.
  if (!(await output.find(planName(0), signal))) throw planGone(output, planName(0));
  let wasThere = true;
  const written = writer.end();
  for (const { name, bytes } of written) {
    if (await output.create(name, bytes, signal)) wasThere = false;
    else if (written.length > 1) await checkSame(output, name, bytes, signal);
  }
  return { pictures, failed, wasThere };
}

/** One file of a part was there: of a worker that was killed in between, or as the other one was removed. */
async function checkSame(output: Storage, name: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
  const there = await output.read(name, { signal });
  if (there && Buffer.compare(there, bytes) === 0) return;
  throw new ClipError(
    'IO',
    `${output.place}: ${name} is there with other content, as pictures have changed since: remove it`,
  );
}

/** Errors that are the picture's own, wherever the shard is computed. */
const isPicturesOwn = (error: unknown): boolean =>
  error instanceof PictureError || (error instanceof ClipError && error.code.startsWith('IMAGE_'));

const NOT_THE_PICTURES = new Set(['WORKER', 'DISPOSED', 'UNSUPPORTED', 'IMAGE_DECODER']);

function rowOf(
  key: string,
  facts: PictureFacts | undefined,
  embedding: Float32Array | undefined,
  error: unknown,
): PartRow {
  if (embedding && facts) return { key, embedding, ...facts };
  // A worker that died, a package or memory that is missing here say nothing of the picture: the shard is tried again.
  if (error instanceof ClipError && NOT_THE_PICTURES.has(error.code)) throw error;
  const { code, message } = error as Partial<ClipError>;
  return { key, error: code === undefined ? String(message ?? error) : `${message} [${code}]` };
}

/**
 * The classifier's file: safetensors with one tensor, `embeddings` F32 [labels, embedDim], and metadata `format`, `version`,
 * `labels` (JSON), `logit_scale`, `model` (its name), `image_tower` (its fingerprint, if it was loaded), `image_size` and `crc32`: the checksum
 * (8 hex digits) of all that is said here, so that no changed bit becomes another answer.
 */

import { concatenate } from './bytes.ts';
import { crc32 } from './crc32.ts';
import { ClipError } from './errors.ts';
import { MAX_LOGIT_SCALE } from './model/logit-scale.ts';
import { checkLabels } from './text/prompts.ts';
import { describeForeign, FOREIGN_BYTES } from './weights/foreign.ts';
import { parseSafetensorsHeader, type SafetensorsFile, writeSafetensors } from './weights/safetensors.ts';

/** What messages call the bytes. */
const NAME = 'classifier file';
const FORMAT = 'edgeclip-classifier';
/** 2 has a checksum, 3 says which model made it. */
const VERSION = '3';
const READABLE: readonly string[] = ['2', VERSION];

/** The model whose towers a classifier belongs to. */
export interface ClassifierMaker {
  readonly name: string;
  /** `info().image.fingerprint`; unknown if the image tower was not loaded. */
  readonly imageTower?: string | undefined;
  /** Side of its pictures, in pixels. The labels' vectors do not depend on it. */
  readonly imageSize?: number | undefined;
}

/** What is in the file. */
export interface ClassifierData {
  readonly labels: readonly string[];
  /** Unit vectors, one per label: f32[labels, embedDim]. */
  readonly embeddings: Float32Array;
  /** exp of the model's logit scale. */
  readonly logitScale: number;
  /** Absent in files of version 2. */
  readonly maker?: ClassifierMaker | undefined;
}

export function writeClassifier({ labels, embeddings, logitScale, maker }: ClassifierData): Uint8Array {
  const data = new Uint8Array(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength);
  const content = {
    format: FORMAT,
    version: VERSION,
    labels: JSON.stringify(labels),
    logit_scale: String(logitScale),
    ...(maker && { model: maker.name }),
    ...(maker?.imageTower !== undefined && { image_tower: maker.imageTower }),
    ...(maker?.imageSize !== undefined && { image_size: String(maker.imageSize) }),
  };
  const shape = [labels.length, embeddings.length / labels.length];
  const metadata = { ...content, crc32: checksum(content, shape, data) };
  return concatenate(writeSafetensors([{ name: 'embeddings', dtype: 'F32', shape, data }], metadata));
}

/** @throws ClipError CLASSIFIER_FORMAT if the bytes are not a classifier's, damaged, or of another version */
export function readClassifier(bytes: Uint8Array): ClassifierData {
  try {
    return parse(bytes);
  } catch (error) {
    if (error instanceof ClipError && error.code === 'CLASSIFIER_FORMAT') throw error;
    return fail((error as Error).message, error);
  }
}

function parse(bytes: Uint8Array): ClassifierData {
  const { metadata, tensors } = header(bytes);
  const {
    format,
    version = '',
    labels: json = '',
    logit_scale = '',
    model,
    image_tower,
    image_size,
    crc32: sum,
  } = metadata;
  if (format !== FORMAT) fail(`expected the format ${FORMAT}, got ${format ?? '(none)'}`);
  if (version === '1') fail('version 1 has no checksum: make the classifier again, which writes version 2');
  if (!READABLE.includes(version)) fail(`expected version ${READABLE.join(' or ')}, got ${version || '(none)'}`);
  const tensor = tensors.get('embeddings') ?? fail('it has no embeddings');
  const labels = checkLabels(JSON.parse(json));
  const [n, embedDim = 0] = tensor.shape;
  if (tensor.dtype !== 'F32' || tensor.shape.length !== 2 || n !== labels.length || !(embedDim > 0)) {
    fail(`expected F32 embeddings [${labels.length}, any], got ${tensor.dtype} [${tensor.shape.join(', ')}]`);
  }
  const logitScale = Number(logit_scale);
  if (!(logitScale >= 1 && logitScale <= MAX_LOGIT_SCALE)) {
    fail(`the logit scale is ${logit_scale || '(none)'}, expected a number from 1 to 1000`);
  }
  const embeddings = new Float32Array(tensor.byteLength / 4);
  const data = new Uint8Array(embeddings.buffer);
  data.set(bytes.subarray(tensor.offset, tensor.offset + tensor.byteLength));
  if (sum !== checksum({ ...metadata, labels: json, logit_scale }, tensor.shape, data)) {
    fail('it is damaged: its checksum is not that of its labels and embeddings');
  }
  for (let i = 0; i < labels.length; i++) {
    let square = 0;
    for (const value of embeddings.subarray(i * embedDim, (i + 1) * embedDim)) square += value * value;
    const length = Math.sqrt(square);
    if (!(Math.abs(length - 1) < 1e-3)) fail(`embedding ${i} has the length ${length}, expected 1`);
  }
  return {
    labels,
    embeddings,
    logitScale,
    ...(model !== undefined && {
      maker: {
        name: model,
        imageTower: image_tower,
        ...(image_size !== undefined && { imageSize: Number(image_size) }),
      },
    }),
  };
}

/** @throws ClipError CLASSIFIER_FORMAT that says what the bytes are instead, or how they are damaged */
function header(bytes: Uint8Array): SafetensorsFile {
  const foreign = describeForeign(bytes.subarray(0, FOREIGN_BYTES));
  try {
    return parseSafetensorsHeader(bytes, NAME);
  } catch (error) {
    // What the reader of model files advises is about models.
    if (foreign === undefined) return fail((error as Error).message.replace(`"${NAME}" `, 'it '), error);
    return fail(`expected the bytes of Classifier.toBytes(), got a file that ${foreign.split(/[,;]/)[0]}`, error);
  }
}

/**
 * @throws ClipError CLASSIFIER_FORMAT, naming both models, if this one did not make the file: the embeddings have another length,
 *   or the image towers differ. Towers are compared where both are known
 */
export function checkMaker(
  { labels, embeddings, maker }: ClassifierData,
  model: ClassifierMaker,
  embedDim: number,
): void {
  const own = embeddings.length / labels.length;
  const by = maker ? `made with "${maker.name}"` : 'made with another model';
  if (own !== embedDim) fail(`it was ${by}: its embeddings have ${own} numbers, those of "${model.name}" ${embedDim}`);
  if (maker?.imageTower === undefined || model.imageTower === undefined || maker.imageTower === model.imageTower)
    return;
  fail(`it was ${by}, whose image tower is ${maker.imageTower}; that of "${model.name}" is ${model.imageTower}`);
}

function checksum(content: Readonly<Record<string, string>>, shape: readonly number[], data: Uint8Array): string {
  const { format, version, labels, logit_scale, model, image_tower, image_size } = content;
  const size = image_size === undefined ? [] : [image_size];
  const maker = version === '2' ? [] : [model, image_tower, ...size];
  const text = new TextEncoder().encode(JSON.stringify([format, version, labels, logit_scale, ...maker, shape]));
  return crc32(data, crc32(text)).toString(16).padStart(8, '0');
}

function fail(message: string, cause?: unknown): never {
  throw new ClipError('CLASSIFIER_FORMAT', `${NAME}: ${message}`, { cause });
}

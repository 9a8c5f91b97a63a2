/** Looking up a published checkpoint's tensors: whose names it uses, and what training tools put before them. */

import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import { type Naming, type PublishedTensor, publishedTensors, type TowerSlot } from '../model/slots.ts';
import { type CodeScales, codeScales } from './bitsandbytes.ts';
import { requireReadable } from './elements.ts';
import { plainName } from './plain-name.ts';
import { checkStrides } from './strided.ts';
import type { TensorFile, TensorInfo } from './tensor-file.ts';

const OWNERS: Readonly<Record<Naming, string>> = { openclip: "OpenCLIP's", huggingface: "Hugging Face's" };

/** A tower's tensors in a file. */
export class TensorLookup {
  readonly naming: Naming;
  readonly #tensors: ReadonlyMap<string, TensorInfo>;

  readonly #dtypes = new Set<string>();

  /** 8-bit codes by the name in the file. */
  readonly #codes = new Map<string, CodeScales>();

  /**
   * Finds and checks every tensor that the slots are made of.
   * @param summary what the configuration says of the tower, for messages
   * @throws ClipError `WEIGHTS_MISSING`, `WEIGHTS_SHAPE` or `WEIGHTS_DTYPE`, naming the first tensor at fault;
   *   `WEIGHTS_FORMAT` for a tensor of the tower that no slot is made of
   */
  constructor(file: TensorFile, slots: readonly TowerSlot[], tower: Tower, summary: string) {
    this.#tensors = plainNames(file);
    const naming = detectNaming(this.#tensors.keys());
    if (naming === undefined) {
      const some = [...file.tensors.keys()].slice(0, 3).join(', ') || 'none';
      throw new ClipError(
        'WEIGHTS_MISSING',
        `"${file.name}" has no tensor names of CLIP, neither OpenCLIP's nor Hugging Face's (it has ${some})`,
      );
    }
    this.naming = naming;
    const wanted = slots.flatMap(publishedTensors);
    const missing = wanted.flatMap((tensor) => this.#names(tensor)).filter((name) => !this.#tensors.has(name));
    if (missing.length > 0) {
      const others = missing.length === 1 ? '' : ` and ${missing.length - 1} other${missing.length === 2 ? '' : 's'}`;
      throw new ClipError(
        'WEIGHTS_MISSING',
        `"${file.name}" lacks the tensor ${missing[0]}${others} of the ${tower} tower (names are ${OWNERS[naming]})`,
      );
    }
    for (const tensor of wanted) {
      const shape = this.#storedShape(tensor);
      for (const [i, part] of this.parts(tensor).entries()) {
        checkShape(file, part, shape);
        this.#dtypes.add(part.dtype);
        checkStrides(file, part);
        const codes = part.dtype === 'I8' ? codeScales(this.#names(tensor)[i]!, this.#tensors) : undefined;
        if (codes) this.#addCodes(file, part, codes);
        else requireReadable(file, part);
      }
    }
    const left = leftOver(file, new Set(wanted.flatMap((tensor) => this.#names(tensor))));
    if (left.length > 0) {
      const others = left.length === 1 ? '' : ` and ${left.length - 1} more`;
      throw new ClipError(
        'WEIGHTS_FORMAT',
        `"${file.name}" has the tensor ${left[0]}${others}, which the configuration does not describe: the ${tower} tower is ${summary}`,
      );
    }
  }

  /** The scales of a part that is 8-bit codes. */
  codeScales(part: TensorInfo): CodeScales | undefined {
    return this.#codes.get(part.name);
  }

  #addCodes(file: TensorFile, part: TensorInfo, codes: CodeScales): void {
    const { scales } = codes;
    if (part.shape.length !== 2 || scales.shape.reduce((a, b) => a * b, 1) !== part.shape[0]) {
      throw new ClipError(
        'WEIGHTS_SHAPE',
        `"${file.name}": tensor ${scales.name} has the shape [${scales.shape.join(', ')}], expected a scale for each row of ${part.name} [${part.shape.join(', ')}]`,
      );
    }
    requireReadable(file, scales);
    this.#codes.set(part.name, codes);
  }

  /** The element types of the tensors that are read, each once. */
  get dtypes(): string[] {
    return [...this.#dtypes];
  }

  /** Where in the file a tensor is: its parts, whose rows are concatenated. */
  parts(tensor: PublishedTensor): TensorInfo[] {
    return this.#names(tensor).map((name) => this.#tensors.get(name)!);
  }

  /** Whether the file stores the transpose. */
  isTransposed(tensor: PublishedTensor): boolean {
    return tensor.transposedIn === this.naming;
  }

  #names(tensor: PublishedTensor): readonly string[] {
    return tensor[this.naming] ?? tensor.openclip;
  }

  /** The shape of each part. */
  #storedShape(tensor: PublishedTensor): readonly number[] {
    const parts = this.#names(tensor).length;
    const shape = this.isTransposed(tensor) ? [...tensor.shape].reverse() : tensor.shape;
    return parts === 1 ? shape : [shape[0]! / parts, ...shape.slice(1)];
  }
}

/** Whose names these are, by prefixes that only one side uses; undefined if neither's. */
export function detectNaming(names: Iterable<string>): Naming | undefined {
  for (const name of names) {
    if (/^(vision_model|text_model)\./.test(name)) return 'huggingface';
    if (/^(visual\.|transformer\.resblocks\.|token_embedding\.weight$)/.test(name)) return 'openclip';
  }
  return undefined;
}

/** The tensors under their names without wrappers. A name that needs no change wins over one that does. */
function plainNames(file: TensorFile): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>(file.tensors);
  for (const [name, tensor] of file.tensors) {
    const plain = plainName(name);
    if (!tensors.has(plain)) tensors.set(plain, tensor);
  }
  return tensors;
}

/**
 * Tensors that the graph does not need, by the end of their names: numbers from 0 on, counts of training steps, the causal
 * mask, and what belongs to 8-bit codes.
 */
const HARMLESS = /(^|\.)(position_ids|num_batches_tracked|attn_mask|SCB|weight_format)$/;

/**
 * The tensors under the tower's prefixes (the first words of the names that it uses) that it does not use: with fewer layers in
 * the configuration than in the file, a model would load and give other embeddings. What is elsewhere is of the other tower,
 * or nothing that a published model has.
 */
function leftOver(file: TensorFile, used: ReadonlySet<string>): string[] {
  const first = (name: string) => name.split('.', 1)[0]!;
  const prefixes = new Set([...used].map(first));
  return [...file.tensors.keys()].filter((name) => {
    const plain = plainName(name);
    return prefixes.has(first(plain)) && !used.has(plain) && !HARMLESS.test(plain);
  });
}

function checkShape(file: TensorFile, tensor: TensorInfo, expected: readonly number[]): void {
  const found = tensor.shape;
  // A single number is written with and without a dimension.
  const scalar = expected.length === 0 && found.length === 1 && found[0] === 1;
  if (!scalar && (found.length !== expected.length || found.some((size, i) => size !== expected[i]))) {
    throw new ClipError(
      'WEIGHTS_SHAPE',
      `"${file.name}": tensor ${tensor.name} has the shape [${found.join(', ')}], expected [${expected.join(', ')}]`,
    );
  }
}

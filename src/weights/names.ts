/** Looking up a published checkpoint's tensors: whose names it uses, and what training tools put before them. */

import { ClipError } from '../errors.ts';
import type { Tower } from '../model/config.ts';
import { type Naming, type PublishedTensor, publishedTensors, type TowerSlot } from '../model/slots.ts';
import { requireReadable } from './elements.ts';
import type { SafetensorsFile, TensorInfo } from './safetensors.ts';

const OWNERS: Readonly<Record<Naming, string>> = { openclip: "OpenCLIP's", huggingface: "Hugging Face's" };

/** A tower's tensors in a file. */
export class TensorLookup {
  readonly naming: Naming;
  readonly #tensors: ReadonlyMap<string, TensorInfo>;

  /**
   * Finds and checks every tensor that the slots are made of.
   * @throws ClipError `WEIGHTS_MISSING`, `WEIGHTS_SHAPE` or `WEIGHTS_DTYPE`, naming the first tensor at fault
   */
  constructor(file: SafetensorsFile, slots: readonly TowerSlot[], tower: Tower) {
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
      for (const part of this.parts(tensor)) checkTensor(file, part, shape);
    }
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

/** Whose names these are, judged by the beginnings that only one side uses; undefined if nobody's. */
export function detectNaming(names: Iterable<string>): Naming | undefined {
  for (const name of names) {
    if (/^(vision_model|text_model)\./.test(name)) return 'huggingface';
    if (/^(visual\.|transformer\.resblocks\.|token_embedding\.weight$)/.test(name)) return 'openclip';
  }
  return undefined;
}

/**
 * The tensors under their names without wrappers: training in parallel puts `module.` before every name
 * (torch's DataParallel), compiling `_orig_mod.`, Lightning `model.`, and OpenCLIP's CustomTextCLIP keeps the text tower
 * under `text.`. A name that needs no change wins over one that does.
 */
function plainNames(file: SafetensorsFile): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>(file.tensors);
  for (const [name, tensor] of file.tensors) {
    const plain = name.replace(/^((module|_orig_mod|model)\.)+/, '').replace(/^text\./, '');
    if (!tensors.has(plain)) tensors.set(plain, tensor);
  }
  return tensors;
}

function checkTensor(file: SafetensorsFile, tensor: TensorInfo, expected: readonly number[]): void {
  const found = tensor.shape;
  // A single number is written with and without a dimension.
  const scalar = expected.length === 0 && found.length === 1 && found[0] === 1;
  if (!scalar && (found.length !== expected.length || found.some((size, i) => size !== expected[i]))) {
    throw new ClipError(
      'WEIGHTS_SHAPE',
      `"${file.name}": tensor ${tensor.name} has the shape [${found.join(', ')}], expected [${expected.join(', ')}]`,
    );
  }
  requireReadable(file, tensor);
}

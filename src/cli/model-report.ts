/** What a model is and needs, from its configuration and the headers of its files: no weights are read. */
import type { Precision } from '../engine/arithmetic.ts';
import type { KernelVariant } from '../engine/kernels.ts';
import type { MemoryUse } from '../engine/memory.ts';
import { chooseVariant } from '../engine/variants.ts';
import { ClipError } from '../errors.ts';
import { DEFAULT_MAX_PIXELS } from '../image/limits.ts';
import { readTokenizer, threadCount } from '../load.ts';
import { type ClipConfig, configTowers, type Tower, type VisionConfig } from '../model/config.ts';
import { planModel } from '../model/plan.ts';
import { towerOf } from '../model/registry.ts';
import { publishedTensors, type TowerSlot } from '../model/slots.ts';
import type { ThreadInfo } from '../session.ts';
import { CheckedFiles } from '../weights/checked-files.ts';
import { readDescription, towerSource } from '../weights/model-files.ts';
import { openTower } from '../weights/open-tower.ts';
import type { ModelFiles } from '../weights/source.ts';
import type { TowerFile } from '../weights/tower-file.ts';

export interface ReportOptions {
  readonly precision: Precision;
  readonly threads: number | 'auto';
  readonly imageSize?: number;
}

/** A tower's size and its file. */
export interface TowerReport {
  /** Its structure in a word or two. */
  readonly kind: string;
  /** Its layers in a few words. */
  readonly shape: string;
  readonly parameters: number;
  /** The file with its weights, or the index of several. */
  readonly file: string;
  /** Element types in the file, or how it is packed. */
  readonly stored: readonly string[];
  /** Bytes of its weights in memory, in the wanted precision. */
  readonly bytes: number;
}

export interface ModelReport {
  readonly model: string;
  /** Whose configuration it has. */
  readonly source: ClipConfig['source'];
  readonly precision: Precision;
  readonly kernels: KernelVariant;
  readonly threads: ThreadInfo;
  /** The towers that load. */
  readonly towers: readonly Tower[];
  readonly embedDim: number;
  readonly image?: TowerReport & { readonly size: number; readonly trainedSize?: number };
  readonly text?: TowerReport & {
    readonly contextLength: number;
    readonly vocabSize: number;
    readonly tokenizer: boolean;
  };
  /** Why a tower does not load. */
  readonly refused: { readonly [T in Tower]?: string };
  /** The memory plan in bytes of the towers that load. */
  readonly memory: { readonly total: number; readonly use: Readonly<MemoryUse> };
  readonly warnings: readonly string[];
}

/**
 * Describes a model.
 * @throws ClipError CONFIG, IO, UNSUPPORTED if nothing of it can be described. What is wrong with one tower is in `refused`
 */
export async function reportModel(model: ModelFiles, options: ReportOptions): Promise<ModelReport> {
  const { precision } = options;
  const files = new CheckedFiles(model);
  const threads = threadCount(options.threads);
  const { config, preprocess, warnings } = await readDescription(files, options.imageSize);
  const refused: { [T in Tower]?: string } = { ...config.refused };
  const opened: { [T in Tower]?: TowerFile & { readonly file: string } } = {};
  let tokenizer = false;
  const unusable: string[] = [];
  for (const tower of configTowers(config)) {
    try {
      const source = await towerSource(files, tower);
      try {
        const file = await openTower(source, config, tower, precision, preprocess);
        await source.checkTower?.(tower);
        if (tower === 'text') tokenizer = await hasTokenizer();
        if (tokenizer) await checkTokenizer();
        opened[tower] = { ...file, file: source.name };
      } finally {
        await source.close?.();
      }
    } catch (error) {
      if (!(error instanceof ClipError)) throw error;
      refused[tower] = error.message;
    }
  }
  const towers = configTowers(config).filter((tower) => opened[tower] !== undefined);
  const { image, text } = opened;
  return {
    model: files.name,
    source: config.source,
    precision,
    kernels: await chooseVariant(),
    threads,
    towers,
    embedDim: config.embedDim,
    ...(image && { image: { ...(await towerReport(config, 'image', image)), ...sizes(config.vision!) } }),
    ...(text && {
      text: {
        ...(await towerReport(config, 'text', text)),
        contextLength: config.text!.contextLength,
        vocabSize: config.text!.vocabSize,
        tokenizer,
      },
    }),
    refused,
    memory: towers.length > 0 ? await memoryPlan() : { total: 0, use: {} },
    warnings: [...warnings, ...unusable],
  };

  async function hasTokenizer(): Promise<boolean> {
    for (const name of ['tokenizer.json', 'vocab.json', 'vocab.txt'])
      if ((await files.text(name)) !== undefined) return true;
    return false;
  }

  /** Token ids are embedded without a tokenizer, so the tower loads with one that is not the model's. */
  async function checkTokenizer(): Promise<void> {
    try {
      (await readTokenizer(files, config, {}))?.();
    } catch (error) {
      if (!(error instanceof ClipError) || error.code !== 'TOKENIZER') throw error;
      unusable.push(`texts cannot be embedded: ${error.message}`);
    }
  }

  async function memoryPlan() {
    const split = threads.count > 1 ? (await import('../engine/threads/split.ts')).splitKernels : undefined;
    const maxPixels = DEFAULT_MAX_PIXELS;
    const input = { config, preprocess, precision, opened, maxPixels, threads: threads.count, split, whole: false };
    const { plan } = await planModel(input);
    return { total: plan.byteLength, use: plan.use };
  }
}

async function towerReport(config: ClipConfig, tower: Tower, { layout, stored, file }: TowerFile & { file: string }) {
  const { description, shape, slots } = await towerOf(config, tower);
  return {
    kind: description,
    shape,
    parameters: parameters(slots()),
    file: baseName(file),
    stored,
    bytes: layout.byteLength,
  };
}

const sizes = ({ imageSize, trainedSize }: VisionConfig) => ({
  size: imageSize,
  ...(trainedSize !== undefined && { trainedSize }),
});

/** Numbers in the published tensors of a tower, each counted once. */
function parameters(slots: readonly TowerSlot[]): number {
  const counts = new Map<string, number>();
  for (const tensor of slots.flatMap(publishedTensors)) {
    counts.set(
      tensor.openclip.join(),
      tensor.shape.reduce((a, b) => a * b, 1),
    );
  }
  return [...counts.values()].reduce((a, b) => a + b, 0);
}

const baseName = (path: string) => path.split(/[/\\]/).at(-1)!;

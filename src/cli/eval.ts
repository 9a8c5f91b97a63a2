/** `edgeclip eval`: measures a model on pictures of known classes or with known captions. */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { Clip } from '../clip.ts';
import { ClipError } from '../errors.ts';
import type { Report } from '../eval/report.ts';
import { reportHtml } from '../eval/report-html.ts';
import { ioReason } from '../platform/io-reason.ts';
import { addEvalCommand, checkEvalOptions, type EvalOptions } from './eval-options.ts';
import { embedPictures } from './eval-pictures.ts';
import { prepareTask } from './eval-tasks.ts';
import { reportText } from './eval-text.ts';
import { describe, EXIT_FAILED, quote, UsageError } from './failure.ts';
import { labelFiles } from './label-options.ts';
import { checkTokenizer, loadModel } from './model.ts';
import { standardOutput } from './output.ts';
import { checkOverwrites } from './overwrites.ts';
import { checkWritable } from './partial-file.ts';
import { Progress } from './progress.ts';
import { checkStandardInput } from './standard-input.ts';
import { thumbnail } from './thumbnail.ts';
import { packageVersion } from './version.ts';

export function addEval(program: Command): void {
  addEvalCommand(program).action(evaluate);
}

async function evaluate(folder: string, options: EvalOptions): Promise<void> {
  const { precision, compare, html, json = false, orient = false, scaled = false } = options;
  if (folder === '') throw new UsageError('the folder is empty (an unset variable of the shell?)');
  checkEvalOptions(options, precision);
  const textFiles = [...labelFiles(options), options.captions, options.vocabulary, options.tags];
  checkStandardInput(textFiles);
  const progress = new Progress();
  const task = await prepareTask(folder, options, progress);
  checkOverwrites(html === undefined ? {} : { html }, {
    pictures: task.pictures,
    texts: textFiles,
    model: options.model,
  });
  const output = standardOutput();
  if (html !== undefined) await checkWritable(html);

  const towers = task.needsText ? (['image', 'text'] as const) : (['image'] as const);
  using clip = await loadModel(options, towers, progress);
  if (task.needsText) checkTokenizer(clip);
  const { embeddings, failed } = await embedPictures(clip, task.pictures, options, progress);
  const found = await task.evaluate(clip, embeddings, progress);
  const comparison = compare && (await compared(compare));
  progress.clear();
  const { imageSize } = clip.config.vision!;
  const report: Report = {
    task: task.name,
    folder,
    model: clip.info().model,
    precision,
    imageSize,
    edgeclip: packageVersion(),
    settings: { ...task.settings, ...(orient && { orient }), ...(scaled && { scaled }) },
    pictures: embeddings.filter((one) => one !== undefined).length,
    failed: failed.map(({ file, error }) => ({ file, reason: describe(error) })),
    ...found.part,
    ...(comparison && { comparison }),
  };
  if (html !== undefined) await writeReport(html, report, clip);
  await output.write(json ? `${JSON.stringify(report)}\n` : reportText(report));
  if (failed.length > 0) process.exitCode = EXIT_FAILED;

  /** The same in the other precision, and the two side by side. */
  async function compared(other: NonNullable<typeof compare>) {
    using second = await loadModel({ ...options, precision: other }, towers, progress);
    const again = await embedPictures(second, task.pictures, options, progress, failed);
    const theirs = await task.evaluate(second, again.embeddings, progress);
    const { compare } = await import('../eval/comparison.ts');
    const pictures = task.pictures.flatMap(({ name }, i) => {
      const [one, two] = [embeddings[i], again.embeddings[i]];
      if (!one || !two) return [];
      const first = [found.first?.get(i), theirs.first?.get(i)];
      const named = first[0] && first[1] && { first: [first[0], first[1]], agrees: first[0].index === first[1].index };
      return [{ file: name, embeddings: [one, two] as const, ...named }];
    });
    return compare([precision, other], pictures);
  }

  async function writeReport(path: string, report: Report, clip: Clip): Promise<void> {
    const { classification, retrieval, comparison } = report;
    const shown = [
      ...(classification?.worst ?? []),
      ...(retrieval?.worst ?? []),
      ...(comparison?.disagreements ?? []),
      ...(comparison?.lowest ?? []),
    ];
    const byName = new Map(task.pictures.map((picture) => [picture.name, picture]));
    const thumbnails = new Map<string, string>();
    for (const file of new Set(shown.map(({ file }) => file))) {
      const address = await thumbnail(clip, () => byName.get(file)!.read(), { orient });
      if (address !== undefined) thumbnails.set(file, address);
    }
    await writeFile(path, reportHtml(report, thumbnails)).catch((error) => {
      throw new ClipError('IO', `cannot write ${quote(path)}: ${ioReason(error)}`, { cause: error });
    });
  }
}

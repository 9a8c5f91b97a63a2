/** An evaluation as lines for people. */
import { headline, percent, type Report } from '../eval/report.ts';
import { visible } from './failure.ts';
import { columns } from './table.ts';

/** Rows of each list; the HTML report and JSON have more. */
const ROWS = 10;

export function reportText(report: Report): string {
  const { classification, retrieval, tagging, comparison, failed } = report;
  const settings = Object.entries(report.settings).map(([name, value]): [string, string] => [name, String(value)]);
  const lines: [string, string][] = [
    ['task', report.task],
    ['model', `${report.model}, ${report.precision}, ${report.imageSize} x ${report.imageSize} pixels`],
    [
      'pictures',
      failed.length > 0 ? `${report.pictures}, and ${failed.length} that could not be read` : `${report.pictures}`,
    ],
    ...settings,
    ...headline(report),
  ];
  const parts = [table(lines.map(([name, value]) => [name, visible(value)]))];
  if (classification) {
    const { classes, confusion } = classification;
    const weakest = [...classes].sort((a, b) => a.top1 - b.top1).slice(0, ROWS);
    parts.push(
      `classes${classes.length > ROWS ? `, the weakest ${ROWS} of ${classes.length}` : ''}\n`,
      table(
        [
          ['class', 'pictures', 'top-1', 'top-5'],
          ...weakest.map(({ label, pictures, top1, top5 }) => [
            visible(label),
            String(pictures),
            percent(top1),
            percent(top5),
          ]),
        ],
        '  ',
      ),
    );
    const wrong = confusion
      .filter(({ index, predictedIndex }) => index !== predictedIndex)
      .sort((a, b) => b.pictures - a.pictures);
    if (wrong.length > 0) {
      parts.push(
        `most confused${wrong.length > ROWS ? `, ${ROWS} of ${wrong.length} pairs` : ''}\n`,
        table(
          [
            ['class', 'taken for', 'pictures'],
            ...wrong
              .slice(0, ROWS)
              .map(({ label, predicted, pictures }) => [visible(label), visible(predicted), String(pictures)]),
          ],
          '  ',
        ),
      );
    }
  }
  if (retrieval && retrieval.worst.length > 0) {
    parts.push(
      'pictures whose own captions came last\n',
      table(
        [
          ['picture', 'place'],
          ...retrieval.worst.slice(0, ROWS).map(({ file, rank }) => [visible(file), String(rank)]),
        ],
        '  ',
      ),
    );
  }
  if (tagging) {
    parts.push(
      'other thresholds\n',
      table(
        [
          ['threshold', 'precision', 'recall', 'words of a picture'],
          ...tagging.curve.map(({ threshold, precision, recall, words }) => [
            threshold.toFixed(2),
            percent(precision),
            percent(recall),
            words.toFixed(2),
          ]),
        ],
        '  ',
      ),
    );
  }
  if (comparison?.disagreements && comparison.disagreements.length > 0) {
    parts.push(
      'pictures that the precisions name differently\n',
      table(
        [
          ['picture', ...comparison.precisions],
          ...comparison.disagreements
            .slice(0, ROWS)
            .map(({ file, first }) => [
              visible(file),
              ...first.map(({ label, score }) => `${visible(label)} ${percent(score)}`),
            ]),
        ],
        '  ',
      ),
    );
  }
  if (comparison) {
    parts.push(
      'lowest cosines\n',
      table(
        [
          ['picture', 'cosine'],
          ...comparison.lowest.slice(0, ROWS).map(({ file, cosine }) => [visible(file), cosine.toFixed(7)]),
        ],
        '  ',
      ),
    );
  }
  return parts.join('');
}

/** Rows whose columns are aligned; the last column is as long as it is. */
function table(rows: readonly (readonly string[])[], indent = ''): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => columns(row[i]!))));
  return rows
    .map((row) => {
      const cells = row.map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat(widths[i]! - columns(cell))));
      return `${indent}${cells.join('  ')}\n`;
    })
    .join('');
}

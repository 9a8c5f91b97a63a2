/** Ranked labels as a table. */
import type { Ranked } from '../classifier.ts';
import { visible } from './failure.ts';

/** Characters that take two terminal columns (East Asian wide, emoji), and those that take none (combining marks). */
const WIDE =
  /[\p{Emoji_Presentation}\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]/u;
const NARROWED = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** Width of the text in terminal columns. */
export function columns(text: string): number {
  let width = 0;
  for (const char of text) width += NARROWED.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

/** Title and rows: label, score in percent, similarity. If there are more labels than rows, the last line says so. */
export function rankingTable(title: string, ranked: readonly Ranked[], labels: number): string {
  const rows = [
    ['label', 'score', 'similarity'] as const,
    ...ranked.map(
      ({ label, score, similarity }) =>
        [visible(label), `${(score * 100).toFixed(2)} %`, similarity.toFixed(4)] as const,
    ),
  ];
  const width = Math.max(...rows.map(([label]) => columns(label)));
  const line = ([label, score, similarity]: (typeof rows)[number]) =>
    `  ${label}${' '.repeat(width - columns(label))}  ${score.padStart(8)}  ${similarity.padStart(10)}\n`;
  const rest = ranked.length < labels ? `  ${ranked.length} of ${labels} labels\n` : '';
  return `${visible(title)}\n${rows.map(line).join('')}${rest}`;
}

/** The table of machines in docs/scale.md is what its formulas give. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const page = readFileSync(new URL('../../docs/scale.md', import.meta.url), 'utf8');
/** Lines of prose are wrapped anywhere. */
const prose = page.replace(/\s+/g, ' ');
const figure = (pattern: RegExp) => Number(pattern.exec(prose)![1]!.replaceAll(',', ''));

it('the hours of machines follow from pictures a second', () => {
  const rates = [figure(/\*r\* is ([\d.]+) for the embedded model/), figure(/and ([\d.]+) for ViT-B\/32/)];
  const rows = page.match(/^\| \d+ \| (?:AWS|Azure|Google).*$/gm)!.map((row) => row.split('|').slice(1, -1));
  expect(rows).toHaveLength(4);
  for (const [vcpus, , ...cells] of rows) {
    const expected = rates.flatMap((rate) => {
      const each = rate * Number(vcpus);
      return [each, ...[1e6, 1e8, 1e10].map((pictures) => pictures / (3600 * each))];
    });
    const shown = cells.map((cell) => Number(cell.replaceAll(',', '')));
    expect(shown).toHaveLength(expected.length);
    // Three digits, or one after the point.
    for (const [i, value] of expected.entries()) expect(Math.abs(shown[i]! - value)).toBeLessThanOrEqual(Math.max(0.05, value / 200)); // biome-ignore format: one line
  }
});

it('the price of a hundred million pictures follows from that of a vCPU', () => {
  const rates = [figure(/\*r\* is ([\d.]+) for the embedded model/), figure(/and ([\d.]+) for ViT-B\/32/)];
  const price = figure(/with ([\d.]+) dollars for a vCPU and hour/);
  const shown = [figure(/cost (\d+) dollars with the embedded/), figure(/embedded model and (\d+) with ViT-B\/32/)];
  expect(shown).toEqual(rates.map((rate) => Math.round((price * 1e8) / (3600 * rate))));
});

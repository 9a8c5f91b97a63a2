import { readFileSync } from 'node:fs';

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** What a tool needs, as the first code in its row of README.md's table. @param tool a regular expression of the row's first cell */
export function needs(tool) {
  const row = new RegExp(`^\\| ${tool} \\| \`([^\`]+)\``, 'm').exec(README);
  if (!row) throw new Error(`README.md does not say what ${tool} needs`);
  return row[1];
}

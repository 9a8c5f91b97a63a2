import { readFileSync } from 'node:fs';

/** The package's own version, from the file that npm goes by. */
export function packageVersion(): string {
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}

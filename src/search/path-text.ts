/**
 * Paths as text in a database. One with bytes that are not UTF-8, which are U+DC80 to U+DCFF in names (src/file-name.ts), is
 * not text; it is stored as JSON, which no absolute path looks like.
 */

const LONE = /[\ud800-\udfff]/u;

export const pathToText = (path: string): string => (LONE.test(path) ? JSON.stringify(path) : path);

export const pathFromText = (text: string): string => (text.startsWith('"') ? JSON.parse(text) : text);

/** Text inside HTML, for the pages that are made of strings. */

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Names of files and classes are anybody's: nothing in them becomes markup, also in an attribute's quotes, and no control
 * character or direction mark makes them look like something else.
 */
export function htmlText(value: string): string {
  return value
    .replace(/[&<>"']/g, (char) => ESCAPES[char]!)
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu, '\ufffd');
}

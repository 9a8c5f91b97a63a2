export function packedReadme(readme: string): string;
export function relativeLinks(markdown: string): string[];
export function cloneFiles(root: string, folder?: string): string[];
export function missingNames(
  markdown: string,
  files: { readonly clone: readonly string[]; readonly packed: readonly string[] },
): string[];

// The README as npm shows it: without the section for clones, and naming nothing that only a clone has.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What belongs to the clone: from this heading to the next. */
const CLONE = /^## From a clone\n[\s\S]*?(?=^## )/m;

/** @returns the README that is packed */
export function packedReadme(readme) {
  if (!CLONE.test(readme)) throw new Error('README.md has no section "From a clone" before its last');
  return readme.replace(CLONE, '');
}

/** @returns each link or picture of a Markdown text, also in HTML, that leads to no address of its own */
export function relativeLinks(markdown) {
  const targets = [
    ...markdown.matchAll(/\]\(\s*<?([^)\s>]+)/g),
    ...markdown.matchAll(/^\s*\[[^\]]+\]:\s*<?(\S+?)>?\s*$/gm),
    ...markdown.matchAll(/\b(?:href|src|srcset)\s*=\s*["']?([^"'\s>]+)/g),
  ].map(([, target]) => target);
  return targets.filter((target) => !/^(?:https?:\/\/|mailto:|#)/.test(target));
}

/** @returns the paths of a clone's files, without what is installed or built in it */
export function cloneFiles(root, folder = '') {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}${entry.name}`;
    if (!entry.isDirectory()) return [path];
    return ['.git', 'node_modules', 'dist', 'build'].includes(entry.name) ? [] : cloneFiles(root, `${path}/`);
  });
}

/**
 * What a Markdown text names and the tarball lacks: files and folders of the clone, files under `node_modules/edgeclip/`, and
 * the clone's scripts. Names of a reader's own files are in neither.
 * @param clone paths of the clone's files
 * @param packed paths of the tarball's files
 */
export function missingNames(markdown, { clone, packed }) {
  const inClone = withFolders(clone);
  const inPackage = withFolders(packed);
  const missing = new Set(markdown.match(/\bnpm (?:ci|test|start|run [\w:-]+)/g) ?? []);
  for (const [name] of markdown.matchAll(/[\w@.-]*(?:\/[\w@.-]+)*\/?/g)) {
    const path = name.replace(/^\.\//, '').replace(/[.:]+$/, '');
    const own = /^node_modules\/edgeclip\/(.+)/.exec(path)?.[1];
    if (own ? !inPackage.has(own) : /[./]/.test(path) && inClone.has(path) && !inPackage.has(path)) missing.add(path);
  }
  return [...missing];
}

/** Paths of files and of the folders that they are in, these also with a slash at the end. */
function withFolders(files) {
  const folders = files.flatMap((path) => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index)));
  return new Set([...files, ...folders, ...folders.map((folder) => `${folder}/`)]);
}

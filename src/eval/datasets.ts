/** Published datasets by name, and which class a folder holds. */
import { type ClassEntry, fillTemplate } from '../text/prompts.ts';
import { publishedDatasets } from './published-datasets.ts';

/** A class: its names, the first of which is its label. */
export interface DatasetClass {
  readonly label: string;
  readonly names: readonly string[];
}

export interface Dataset {
  readonly title: string;
  readonly classes: readonly DatasetClass[];
  readonly templates: readonly string[];
}

const lines = (text: string) => text.split('\n').filter((line) => line !== '');

export const datasetNames: readonly string[] = Object.keys(publishedDatasets);

/** A dataset by its name in any case, with or without dashes; undefined if there is none. */
export function findDataset(name: string): Dataset | undefined {
  const key = name.toLowerCase().replace(/[-_ ]/g, '');
  if (!Object.hasOwn(publishedDatasets, key)) return undefined;
  const { title, classes, templates } = publishedDatasets[key]!;
  return {
    title,
    classes: lines(classes).map((line) => {
      const names = line.split(' | ');
      return { label: names[0]!, names };
    }),
    templates: lines(templates),
  };
}

/** Folders as they are often named: `apple_pie`, `Apple-Pie`. */
const plain = (name: string) =>
  name
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();

/**
 * The class of each folder, as an index: by its name; or, where all folders are numbers or all are WordNet ids (`n01440764`) and
 * there is one for each class, by order.
 * @throws RangeError that names the first folder which is not a class
 */
export function classesOfFolders(folders: readonly string[], { title, classes }: Dataset): number[] {
  const byName = new Map<string, number>();
  for (const [i, { names }] of classes.entries()) {
    for (const name of names) if (!byName.has(plain(name))) byName.set(plain(name), i);
  }
  const found = folders.map((folder) => byName.get(plain(folder)));
  const stranger = found.indexOf(undefined);
  if (stranger < 0) return found as number[];
  const numbered = folders.every((folder) => /^\d+$/.test(folder));
  if (folders.length === classes.length && (numbered || folders.every((folder) => /^n\d{8}$/.test(folder)))) {
    const order = folders.map((folder, i) => ({ key: numbered ? Number(folder) : i, i, folder }));
    if (!numbered) order.sort((a, b) => (a.folder < b.folder ? -1 : 1));
    else order.sort((a, b) => a.key - b.key);
    const classOf = new Array<number>(folders.length);
    for (const [place, { i }] of order.entries()) classOf[i] = place;
    return classOf;
  }
  throw new RangeError(
    `the folder ${JSON.stringify(folders[stranger])} is not a class of ${title} (${classes.length} classes: ` +
      `${classes
        .slice(0, 3)
        .map(({ label }) => label)
        .join(', ')} ...). Name the folders as the classes, or give ` +
      'one numbered folder for each class',
  );
}

/** Each class with its prompts: every template with every name. Folders written with underscores are read with spaces. */
export function classEntries(classes: readonly DatasetClass[], templates: readonly string[]): ClassEntry[] {
  return classes.map(({ label, names }) => ({
    label,
    prompts: names.flatMap((name) => templates.map((template) => fillTemplate(template, name.replaceAll('_', ' ')))),
  }));
}

/**
 * XMP sidecars: words of a photo as `dc:subject`, an unordered list (rdf:Bag) of texts (XMP Specification Part 1, 8.4). The file is
 * `photo.jpg.xmp`, as darktable and digiKam name it.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ClipError } from '../errors.ts';
import { toPath } from '../file-name.ts';
import { ioReason } from '../platform/io-reason.ts';
import { importFromWorkingFolder } from '../platform/node-packages.ts';
import { quote } from './failure.ts';
import { PartialFile } from './partial-file.ts';
import { packageVersion } from './version.ts';

const DC = 'http://purl.org/dc/elements/1.1/';
const RDF = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#';

const sidecarPath = (photo: string): string => `${photo}.xmp`;

/**
 * Writes the words to a photo's sidecar.
 * @param merge adds them to a sidecar that is there, in which all else stays byte for byte; without it, such a file is an error
 * @throws ClipError IO if the photo is gone, or the sidecar cannot be written, is there, or has a form in which nothing can be added
 *   safely; UNSUPPORTED without saxes
 */
export async function writeSidecar(photo: string, tags: readonly string[], merge: boolean): Promise<string> {
  const words = [...new Set(tags.map(allowed))];
  const path = sidecarPath(photo);
  if (!existsSync(toPath(photo))) throw cannot('write', path, 'its photo is gone');
  try {
    writeFileSync(toPath(path), newSidecar(words), { flag: 'wx' });
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      rmSync(toPath(path), { force: true }); // a part of it, on a full disk
      throw cannot('write', path, ioReason(error), error);
    }
  }
  if (!merge) throw cannot('write', path, 'it is there: --merge adds words to it');
  const before = readText(path);
  const after = withWords(await saxes(), before, words, (reason) => cannot('add words to', path, reason));
  if (after === before) return path;
  const file = await PartialFile.create(path);
  try {
    await file.append(Buffer.from(after));
    await file.commit();
  } catch (error) {
    await file.stop();
    throw error;
  }
  return path;
}

function newSidecar(words: readonly string[]): string {
  return `<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="edgeclip ${packageVersion()}">
 <rdf:RDF xmlns:rdf="${RDF}">
  <rdf:Description rdf:about="" xmlns:dc="${DC}">
   <dc:subject>
    <rdf:Bag>
${words.map((word) => `     <rdf:li>${escaped(word)}</rdf:li>\n`).join('')}    </rdf:Bag>
   </dc:subject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
`;
}

/** A word with what XML does not allow replaced: as it is read again. */
const allowed = (word: string): string => word.replace(/(?![\t\n\r])[\p{Cc}\ud800-\udfff\ufffe\uffff]/gu, '\ufffd');

/** A parser reads a carriage return that is written as itself as a line feed. */
const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '\r': '&#13;' };

const escaped = (word: string): string => word.replace(/[&<>\r]/g, (char) => ESCAPES[char]!);

function readText(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(toPath(path)));
  } catch (error) {
    throw cannot('add words to', path, error instanceof TypeError ? 'it is not UTF-8' : ioReason(error), error);
  }
}

const cannot = (what: string, path: string, reason: string, cause?: unknown): ClipError =>
  new ClipError('IO', `cannot ${what} ${quote(path)}: ${reason}`, { cause });

/** An element that words can be put into: where its start tag ends and its end tag begins. */
interface Place {
  /** Of the element, with its colon; empty if it has none. */
  readonly prefix: string;
  readonly name: string;
  readonly afterStart: number;
  readonly isEmpty: boolean;
  end: number;
}

interface Packet {
  /** The first rdf:Description. */
  description: Place | undefined;
  /** The rdf:Bag of dc:subject. */
  bag: Place | undefined;
  /** What the bag holds. */
  readonly words: Set<string>;
}

/** The packet with these words in its dc:subject. */
function withWords(saxes: Saxes, xml: string, words: readonly string[], fail: (reason: string) => ClipError): string {
  const { description, bag, words: there } = readPacket(saxes, xml, fail);
  const missing = words.filter((word) => !there.has(word));
  if (missing.length === 0) return xml;
  const place = bag ?? description;
  if (!place) throw fail('it has no rdf:Description');
  const items = (prefix: string, indent: string) =>
    missing.map((word) => `${indent}<${prefix}li>${escaped(word)}</${prefix}li>`).join('');
  const { prefix, name, isEmpty } = place;
  if (isEmpty) {
    const inside = bag ? items(prefix, '') : subject(prefix, items(prefix, ''));
    return `${xml.slice(0, place.afterStart).replace(/\s*\/>$/, '>')}${inside}</${prefix}${name}>${xml.slice(place.afterStart)}`;
  }
  // On lines of their own where the end tag has one, a space further in.
  const [indent = ''] = /\r?\n[ \t]*$/.exec(xml.slice(0, place.end)) ?? [];
  const step = indent === '' ? '' : `${indent} `;
  const inside = bag ? items(prefix, step) : step + subject(prefix, items(prefix, ''));
  const head = xml.slice(0, place.end - indent.length);
  return head + inside + xml.slice(place.end - indent.length);
}

const subject = (rdf: string, items: string): string =>
  `<dc:subject xmlns:dc="${DC}"><${rdf}Bag>${items}</${rdf}Bag></dc:subject>`;

/** Finds the places, and refuses what is no XMP or has words in another form. */
function readPacket({ SaxesParser }: Saxes, xml: string, fail: (reason: string) => ClipError): Packet {
  const found: Packet = { description: undefined, bag: undefined, words: new Set() };
  const parser = new SaxesParser({ xmlns: true });
  const path: string[] = [];
  const open: (Place | undefined)[] = [];
  let subjects = 0;
  let text = '';
  parser.on('error', (error: Error) => {
    throw fail(`it is not well-formed XML: ${error.message}`);
  });
  parser.on('doctype', () => {
    throw fail('it has a document type');
  });
  parser.on('opentag', ({ prefix, local, uri, attributes, isSelfClosing }) => {
    const parent = path.at(-1);
    const kind = `${uri === RDF ? 'rdf:' : uri === DC ? 'dc:' : `${uri} `}${local}`;
    const place: Place = {
      prefix: prefix === '' ? '' : `${prefix}:`,
      name: local,
      afterStart: parser.position,
      isEmpty: isSelfClosing,
      end: 0,
    };
    const isDescription = kind === 'rdf:Description' && parent === 'rdf:RDF';
    if (isDescription) {
      found.description ??= place;
      if (Object.values(attributes).some((one) => one.uri === DC && one.local === 'subject')) {
        throw fail('its dc:subject is an attribute');
      }
    }
    if (kind === 'dc:subject' && parent === 'rdf:Description' && ++subjects > 1) throw fail('it has dc:subject twice');
    if (parent === 'dc:subject') {
      if (kind !== 'rdf:Bag' || found.bag) throw fail('its dc:subject is not one rdf:Bag');
      found.bag = place;
    }
    path.push(kind);
    open.push(place);
    text = '';
  });
  parser.on('text', (part) => {
    text += part;
  });
  parser.on('cdata', (part) => {
    text += part;
  });
  parser.on('closetag', () => {
    const place = open.pop()!;
    if (path.at(-1) === 'rdf:li' && path.at(-2) === 'rdf:Bag' && path.at(-3) === 'dc:subject') found.words.add(text);
    path.pop();
    place!.end = xml.lastIndexOf('<', parser.position - 1);
    text = '';
  });
  parser.write(xml).close();
  if (subjects > 0 && !found.bag) throw fail('its dc:subject is not one rdf:Bag');
  return found;
}

type Saxes = typeof import('saxes');

/** The XML parser, from beside this package or from the user's folder. @throws ClipError UNSUPPORTED naming what to install */
async function saxes(): Promise<Saxes> {
  try {
    return await import('saxes').catch((error) => importFromWorkingFolder('saxes', error));
  } catch (cause) {
    throw new ClipError(
      'UNSUPPORTED',
      'to add words to a sidecar that is there, install the package saxes: npm install saxes@6',
      { cause },
    );
  }
}

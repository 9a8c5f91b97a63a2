import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { writeSidecar } from '../../src/cli/xmp-sidecar.ts';

const folder = mkdtempSync(join(tmpdir(), 'edgeclip-xmp-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
const newPhoto = () => {
  const photo = join(folder, `${made++}.jpg`);
  writeFileSync(photo, '');
  return photo;
};
const read = (photo: string) => readFileSync(`${photo}.xmp`, 'utf8');

/** A sidecar that is there, with words added to it. */
async function merged(xml: string | Uint8Array, ...words: string[]): Promise<string> {
  const photo = newPhoto();
  writeFileSync(`${photo}.xmp`, xml);
  try {
    await writeSidecar(photo, words, true);
  } catch (error) {
    expect(readFileSync(`${photo}.xmp`)).toEqual(Buffer.from(xml as string)); // untouched
    throw error;
  }
  return read(photo);
}

it('writes words as an rdf:Bag of dc:subject', async () => {
  const photo = newPhoto();
  expect(await writeSidecar(photo, ['cat', 'R&B <live>', 'bad\0\ud800'], false)).toBe(`${photo}.xmp`);
  expect(read(photo)).toMatch(
    /^<\?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"\?>\n<x:xmpmeta xmlns:x="adobe:ns:meta\/" [\s\S]*<\?xpacket end="w"\?>\n$/,
  );
  expect(read(photo)).toContain(
    '<rdf:Bag>\n     <rdf:li>cat</rdf:li>\n     <rdf:li>R&amp;B &lt;live&gt;</rdf:li>\n     <rdf:li>bad\ufffd\ufffd</rdf:li>\n    </rdf:Bag>',
  );
});

it('never writes over a sidecar, and adds to it only if it is told to', async () => {
  const photo = newPhoto();
  await writeSidecar(photo, ['cat'], false);
  const before = read(photo);
  await expect(writeSidecar(photo, ['dog'], false)).rejects.toMatchObject({
    code: 'IO',
    message: expect.stringMatching(/--merge adds/),
  });
  expect(read(photo)).toBe(before);
  await writeSidecar(photo, ['dog', 'cat'], true);
  expect(read(photo)).toBe(before.replace('cat</rdf:li>\n', 'cat</rdf:li>\n     <rdf:li>dog</rdf:li>\n'));
  const after = read(photo);
  await writeSidecar(photo, ['dog'], true); // nothing to add
  expect(read(photo)).toBe(after);
});

it('adds a word with characters that XML does not allow once', async () => {
  const photo = newPhoto();
  const words = ['bell\x07', 'return\rfeed', 'cat', 'bell\x08'];
  await writeSidecar(photo, words, false);
  const before = read(photo);
  expect(before.match(/<rdf:li>/g)).toHaveLength(3); // both bells are one
  await writeSidecar(photo, words, true);
  expect(read(photo)).toBe(before);
});

it('writes none beside a photo that is gone', async () => {
  const photo = newPhoto();
  rmSync(photo);
  const gone = { code: 'IO', message: expect.stringMatching(/its photo is gone/) };
  await expect(writeSidecar(photo, ['cat'], false)).rejects.toMatchObject(gone);
  expect(existsSync(`${photo}.xmp`)).toBe(false);
});

/** As darktable writes them: what is foreign must stay byte for byte. */
const DARKTABLE = `<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:darktable="http://darktable.sf.net/"
   xmp:Rating="4" darktable:history_end="1">
   <darktable:history>
    <rdf:Seq>
     <rdf:li darktable:num="0" darktable:params="gz02eJz&amp;lt"/>
    </rdf:Seq>
   </darktable:history>
   <!-- <dc:subject> in a comment -->
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
`;

describe('adds words to a file of another program, in which all else stays', () => {
  const DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"';
  const bag = (items: string) => `<dc:subject ${DC}><rdf:Bag>${items}</rdf:Bag></dc:subject>`;
  const items = '<rdf:li>cat</rdf:li>';

  it('without words', async () => {
    const end = '\n  </rdf:Description>';
    expect(await merged(DARKTABLE, 'cat')).toBe(DARKTABLE.replace(end, `\n   ${bag(items)}${end}`));
  });

  it('with words, under other prefixes, with Windows line ends', async () => {
    const xml = `\ufeff<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:d="http://purl.org/dc/elements/1.1/">\r
 <r:Description r:about="">\r
  <d:subject>\r
   <r:Bag>\r
    <r:li>c<![CDATA[at]]></r:li>\r
    <r:li>a &amp; b</r:li>\r
   </r:Bag>\r
  </d:subject>\r
 </r:Description>\r
</r:RDF>\r\n`;
    expect(await merged(xml, 'cat', 'a & b')).toBe(xml);
    expect(await merged(xml, 'cat', 'dog')).toBe(xml.replace('b</r:li>\r\n', 'b</r:li>\r\n    <r:li>dog</r:li>\r\n'));
  });

  it('with an empty description or bag', async () => {
    const rdf = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"';
    const packet = (inside: string) => `<rdf:RDF ${rdf}>${inside}</rdf:RDF>`;
    expect(await merged(packet('<rdf:Description rdf:about="" />'), 'cat')).toBe(
      packet(`<rdf:Description rdf:about="">${bag(items)}</rdf:Description>`),
    );
    const inBag = (inside: string) =>
      packet(`<rdf:Description><dc:subject ${DC}>${inside}</dc:subject></rdf:Description>`);
    expect(await merged(inBag('<rdf:Bag/>'), 'cat')).toBe(inBag(`<rdf:Bag>${items}</rdf:Bag>`));
  });

  it.each([
    ['no XML', 'P5 1 1', /not well-formed/],
    ['cut', DARKTABLE.slice(0, -40), /not well-formed/],
    ['other XML', '<svg xmlns="http://www.w3.org/2000/svg"/>', /no rdf:Description/],
    ['with entities', `<!DOCTYPE x [<!ENTITY a "b">]>${DARKTABLE.slice(39)}`, /document type/],
    ['not UTF-8', Buffer.from(DARKTABLE.replace('4.4.0', '\xe9'), 'latin1'), /not UTF-8/],
    ['with words as an attribute', DARKTABLE.replace('xmp:Rating="4"', `${DC} dc:subject="x"`), /is an attribute/],
    [
      'with words as a Seq',
      DARKTABLE.replace('<!--', `<dc:subject ${DC}><rdf:Seq/></dc:subject><!--`),
      /not one rdf:Bag/,
    ],
    ['with words as text', DARKTABLE.replace('<!--', `<dc:subject ${DC}>cat</dc:subject><!--`), /not one rdf:Bag/],
    ['with words twice', DARKTABLE.replace('<!--', `${bag(items)}${bag(items)}<!--`), /dc:subject twice/],
  ])('but refuses one that is %s', async (_, xml, message) => {
    await expect(merged(xml, 'dog')).rejects.toMatchObject({ code: 'IO', message: expect.stringMatching(message) });
  });
});

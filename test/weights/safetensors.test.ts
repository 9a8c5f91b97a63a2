import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { fileSource } from '../../src/platform/node.ts';
import { readSafetensorsHeader, type SafetensorsFile, writeSafetensors } from '../../src/weights/safetensors.ts';
import { bytesSource } from '../../src/weights/source.ts';

const encoder = new TextEncoder();

function join(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}

/** A file with this header text, whatever it says, and this many bytes of data. */
function fileOf(header: string | Uint8Array, data = 0, length?: bigint): Uint8Array {
  const json = typeof header === 'string' ? encoder.encode(header) : header;
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, length ?? BigInt(json.byteLength), true);
  return join([start, json, new Uint8Array(data)]);
}

const read = (bytes: Uint8Array): Promise<SafetensorsFile> => readSafetensorsHeader(bytesSource(bytes, 'x'));

/** The error's message, after checking its code. */
async function refusal(bytes: Uint8Array): Promise<string> {
  const error = await read(bytes).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(ClipError);
  expect(error.code).toBe('WEIGHTS_FORMAT');
  return error.message;
}

const small = () =>
  writeSafetensors(
    [
      { name: 'b', dtype: 'F32', shape: [2, 3], data: new Uint8Array(24).fill(1) },
      { name: '1', dtype: 'I8', shape: [5], data: new Uint8Array(5).fill(2) },
      { name: '0', dtype: 'F16', shape: [], data: new Uint8Array(2).fill(3) },
    ],
    { format: 'pt', note: 'ü "quoted"' },
  );

describe('readSafetensorsHeader', () => {
  it('reads a published model', async () => {
    const source = await fileSource('test/golden/tiny-vit-hf/model.safetensors');
    const file = await readSafetensorsHeader(source);
    expect(file.dataOffset).toBe(8 + 13_392);
    expect({ ...file.metadata }).toEqual({ format: 'pt' });
    expect(file.tensors.get('text_projection.weight')).toEqual({
      name: 'text_projection.weight',
      dtype: 'F32',
      shape: [96, 128],
      offset: 8 + 13_392 + 5_564_420,
      byteLength: 96 * 128 * 4,
    });
    await source.close?.();
  });

  it('reads back what writeSafetensors wrote, aligned and in order', async () => {
    const parts = small();
    expect(parts[0].byteLength % 64).toBe(0);
    const file = await read(join(parts));
    expect(file.dataOffset).toBe(parts[0].byteLength);
    expect([...file.tensors.values()].map(({ name, offset }) => [name, offset - file.dataOffset])).toEqual([
      ['b', 0],
      ['1', 24],
      ['0', 29],
    ]);
    expect(file.tensors.get('b')).toMatchObject({ dtype: 'F32', shape: [2, 3], byteLength: 24 });
    expect({ ...file.metadata }).toEqual({ format: 'pt', note: 'ü "quoted"' });
  });

  it('takes empty tensors, empty metadata, keys out of order, padding, and types nobody has heard of', async () => {
    const header = `{"z":{"dtype":"F32","shape":[1],"data_offsets":[12,16]},"__metadata__":{},
      "scaled_fp8":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},
      "empty at the end":{"dtype":"F32","shape":[3,0],"data_offsets":[16,16]},
      "position_ids":{"dtype":"I64","shape":[1,1],"data_offsets":[4,12]},
      "odd":{"dtype":"F6_X","shape":[5],"data_offsets":[0,4]}}      `;
    const file = await read(fileOf(header, 16));
    expect(file.tensors.size).toBe(5);
    expect(file.tensors.get('odd')).toMatchObject({ dtype: 'F6_X', offset: file.dataOffset, byteLength: 4 });
    expect(file.tensors.get('scaled_fp8')!.byteLength).toBe(0);
  });

  it('takes a file without tensors, and names that mean something in JavaScript', async () => {
    expect((await read(fileOf('{}'))).tensors.size).toBe(0);
    const entry = '{"dtype":"I8","shape":[1],"data_offsets":[0,1]}';
    const file = await read(fileOf(`{"__proto__":${entry},"__metadata__":{"__proto__":"x"}}`, 1));
    expect([...file.tensors.keys()]).toEqual(['__proto__']);
  });

  it('reads a header longer than what it looks at first, and a long string in it', async () => {
    const note = 'x"\\'.repeat(2_000_000);
    const file = await read(
      join(writeSafetensors([{ name: 'a', dtype: 'I8', shape: [1], data: new Uint8Array(1) }], { note })),
    );
    expect(file.metadata.note).toBe(note);
    expect(file.tensors.get('a')!.offset).toBe(file.dataOffset);
  });

  it('says how much of a truncated file is there, wherever it was cut', async () => {
    const whole = join(small());
    for (let length = 0; length < whole.byteLength; length++) {
      const message = await refusal(whole.subarray(0, length));
      if (length >= 9) expect(message).toMatch(new RegExp(`truncated: .* ${length}$`));
    }
  });

  it.each([
    [
      'a length past the file',
      fileOf('{"a":1}', 0, 500n),
      'truncated: the header alone needs 508 bytes, the file has 15',
    ],
    ['an enormous length', fileOf('{"a":1}', 0, 0xffff_ffff_ffff_ffffn), 'is not a safetensors file: after 8 bytes'],
    ['more than the format allows', fileOf('{"a":1}', 0, 100_000_001n), 'not a safetensors file'],
    ['a length inside the JSON', fileOf('{"a":1}', 0, 5n), 'not valid JSON'],
    ['broken UTF-8', fileOf(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d])), 'not valid JSON'],
    [
      'two equal keys',
      fileOf('{"a":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},"\\u0061":{}}'),
      'the key "a" twice',
    ],
    [
      'two equal keys in an entry',
      fileOf('{"a":{"dtype":"I8","shape":[0],"shape":[1],"data_offsets":[0,0]}}'),
      '"shape" twice',
    ],
    ['an entry that is a number', fileOf('{"a":1}'), 'tensor "a" in its header is not an object'],
    ['no dtype', fileOf('{"a":{"shape":[0],"data_offsets":[0,0]}}'), 'has no dtype'],
    ['no shape', fileOf('{"a":{"dtype":"I8","data_offsets":[0,0]}}'), 'has the shape missing'],
    [
      'a negative size',
      fileOf('{"a":{"dtype":"I8","shape":[-1,-1],"data_offsets":[0,1]}}', 1),
      'has the shape [-1,-1]',
    ],
    ['a broken size', fileOf('{"a":{"dtype":"I8","shape":[1.5],"data_offsets":[0,1]}}', 1), 'has the shape [1.5]'],
    [
      'an overflowing shape',
      fileOf('{"a":{"dtype":"I8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
      'too large',
    ],
    [
      'backward offsets',
      fileOf('{"a":{"dtype":"I8","shape":[1],"data_offsets":[1,0]}}', 1),
      'has the data_offsets [1,0]',
    ],
    ['three offsets', fileOf('{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1,2]}}', 1), 'expected [begin, end]'],
    ['text offsets', fileOf('{"a":{"dtype":"I8","shape":[1],"data_offsets":["0","1"]}}', 1), 'expected [begin, end]'],
    [
      'a lying shape',
      fileOf('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4),
      'has 4 bytes, but its shape [2] in F32 needs 8 bytes',
    ],
    [
      'an overlap',
      fileOf(
        '{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[4],"data_offsets":[3,7]}}',
        7,
      ),
      'tensor "b" overlaps tensor "a" by 1 bytes',
    ],
    [
      'a gap',
      fileOf(
        '{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[4],"data_offsets":[6,10]}}',
        10,
      ),
      'a gap of 2 bytes between tensor "a" and tensor "b"',
    ],
    [
      'a gap before the first',
      fileOf('{"a":{"dtype":"I8","shape":[4],"data_offsets":[1,5]}}', 5),
      'a gap of 1 bytes between the header and tensor "a"',
    ],
    [
      'bytes after the last',
      fileOf('{"a":{"dtype":"I8","shape":[4],"data_offsets":[0,4]}}', 9),
      'has 5 bytes after the last tensor',
    ],
    ['metadata that is not a map of strings', fileOf('{"__metadata__":{"a":1}}'), '__metadata__'],
    ['metadata that is a list', fileOf('{"__metadata__":["a"]}'), '__metadata__'],
  ])('refuses %s', async (_, bytes, message) => {
    const said = await refusal(bytes);
    expect(said).toContain(message);
    expect(said).toMatch(/^"x" /);
  });

  it('survives every single flipped bit of the header: a ClipError or a consistent parse', async () => {
    const parts = small();
    const whole = join(parts);
    let refused = 0;
    for (let bit = 0; bit < parts[0].byteLength * 8; bit++) {
      const bytes = whole.slice();
      bytes[bit >> 3] ^= 1 << (bit & 7);
      const outcome = await read(bytes).catch((error) => error);
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ name: 'ClipError', code: 'WEIGHTS_FORMAT' });
        refused++;
        continue;
      }
      const end = Math.max(...[...outcome.tensors.values()].map(({ offset, byteLength }) => offset + byteLength));
      expect(end).toBe(bytes.byteLength);
    }
    // Flips inside names, metadata and padding may pass; most of the rest must not.
    expect(refused).toBeGreaterThan(parts[0].byteLength * 8 * 0.5);
  });

  it.each([
    ['brackets without end', `{"a":${'['.repeat(3_000_000)}}`, 'nested more than 8 deep'],
    ['brackets that end', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 'nested more than 8 deep'],
    ['millions of members', `{${'"a":0,'.repeat(310_000)}"b":0}`, 'more than 300000 commas'],
    ['brackets and commas inside a string', `{"${'[,\\"{'.repeat(300_000)}":0}`, 'in its header is not an object'],
  ])('refuses %s without parsing them', async (_, json, message) => {
    expect(await refusal(fileOf(json))).toContain(message);
  });

  it('refuses a header of 90 MB before it is read', async () => {
    const file = fileOf('{"a":');
    new DataView(file.buffer).setBigUint64(0, 90_000_000n, true);
    let read = 0;
    const source = {
      ...bytesSource(file, 'x'),
      byteLength: 100_000_000,
      async readInto(_offset: number, target: Uint8Array) {
        read += target.length;
        target.set(file.subarray(0, target.length));
      },
    };
    await expect(readSafetensorsHeader(source)).rejects.toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: '"x" has a header of 90000000 bytes, expected at most 25000000',
    });
    expect(read).toBeLessThan(10_000);
  });
});

describe('other files passed as a model', () => {
  const zip = (entry: string, rest: string) => `PK\x03\x04${'\0'.repeat(26)}${entry}${rest}`;
  it.each([
    ['an empty file', '', 'is empty'],
    ['a web page', '\n<!DOCTYPE html><html><title>Sign in</title>', 'is a web page, not a model'],
    ['a web page after a byte order mark', '\u00ef\u00bb\u00bf<html lang="en">', 'is a web page, not a model'],
    [
      'a JSON error',
      '{"error":"Repository not found"}',
      'is a JSON document, not a model: "{\\"error\\":\\"Repository not found\\"}"',
    ],
    ['an index of shards', '{"metadata":{},"weight_map":{}}', 'several files'],
    ['a git-lfs pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00', 'git lfs pull'],
    ['a pickle of another tool', '\x80\x04\x95\x10\0\0\0\0\0\0\0}', 'is a Python pickle, but not one of torch.save'],
    ['another zip', zip('readme.txt', 'hello'), 'is a zip archive'],
    ['GGUF', 'GGUF\x03\0\0\0\x10\0\0\0', 'is a GGUF/GGML file'],
    ['ONNX', '\x08\x07\x12\x07pytorch\x1a\x052.1.0', 'is an ONNX file'],
    ['TensorFlow Lite', '\x1c\0\0\0TFL3\0\0\0\0', 'is a TensorFlow Lite file'],
    ['gzip', '\x1f\x8b\x08\0\0\0\0\0\0\x03abc', 'is compressed with gzip'],
    ['xz', '\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46', 'is compressed with xz'],
    ['a picture', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'is a PNG picture, not a model'],
    ['another picture', '\xff\xd8\xff\xe0\0\x10JFIF', 'is a JPEG picture, not a model'],
    ['WebP', 'RIFF\n\0\0\0WEBPVP8 ', 'is a WebP picture, not a model'],
    ['a tar file', `model/${'\0'.repeat(251)}ustar\0`, 'is a tar archive, not a model'],
    ['HDF5', '\x89HDF\r\n\x1a\n\0\0\0', 'is an HDF5 file'],
    ['zeros', '\0'.repeat(5000), 'begins with zeros only'],
    ["a server's answer", 'Not Found', 'is a text, not a model: "Not Found"'],
    ['noise', '\xfe\x01\xdc\x99\xfe\x01\xdc\x99\xfe\x01\xdc\x99', 'is not a safetensors file'],
  ])('%s is told in one sentence', async (_, content, message) => {
    const said = await refusal(Uint8Array.from(content, (character) => character.charCodeAt(0)));
    expect(said).toContain(message);
    expect(said).not.toContain('\n');
  });

  it('is not taken for gzip if its header happens to have such a length', async () => {
    const length = 0x00088b1f;
    const file = await read(fileOf(`{}${' '.repeat(length - 2)}`));
    expect(file.tensors.size).toBe(0);
  });
});

describe('writeSafetensors', () => {
  const data = new Uint8Array(4);
  it('refuses names that come twice and data of a wrong length', () => {
    const tensor = { name: 'a', dtype: 'F32', shape: [1], data };
    expect(() => writeSafetensors([tensor, tensor])).toThrow('"a" is reserved or comes twice');
    expect(() => writeSafetensors([{ ...tensor, name: '__metadata__' }])).toThrow('reserved');
    expect(() => writeSafetensors([{ ...tensor, shape: [2] }])).toThrow('needs 8 bytes, got 4');
    expect(() => writeSafetensors([{ ...tensor, dtype: 'F33' }])).toThrow(TypeError);
  });

  it('passes the data through uncopied and aligns as asked', () => {
    const [header, first] = writeSafetensors([{ name: 'a', dtype: 'F32', shape: [1], data }], {}, { align: 4096 });
    expect(first).toBe(data);
    expect(header.byteLength).toBe(4096);
  });
});

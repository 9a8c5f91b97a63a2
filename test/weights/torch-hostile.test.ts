/** PyTorch files that were made to harm, or are damaged: refused with little read and little kept, and nothing is run. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ClipError } from '../../src/errors.ts';
import { readTensorFile } from '../../src/weights/headers.ts';
import { readPickle } from '../../src/weights/pickle.ts';
import { InertRecord, PickleClass } from '../../src/weights/pickle-values.ts';
import { bytesSource, type Source } from '../../src/weights/source.ts';
import { firstElement } from '../../src/weights/tensor-file.ts';
import { TorchPickle } from '../../src/weights/torch-pickle.ts';
import { rejection } from '../api/checkpoint.ts';
import { goldenPath } from '../model/golden.ts';
import { concat, type Entry, pickle, push, stateDict, torchFile, zip } from './torch-writer.ts';

/** The message of the refusal, after checking its type and that it is a sentence. */
async function refusal(file: Uint8Array | Source): Promise<string> {
  const error = await rejection(readTensorFile(file instanceof Uint8Array ? bytesSource(file, 'x.pt') : file));
  if (!(error instanceof ClipError)) throw error;
  expect(error.code).toBe('WEIGHTS_FORMAT');
  expect(error.message).toMatch(/^"x\.pt" /);
  expect(error.message).not.toMatch(/[\n\0]/);
  expect(error.message.length).toBeLessThan(400);
  return error.message;
}

/** The message for these operations as data.pkl. */
const refusedPickle = (operations: Uint8Array | readonly number[]) => refusal(torchFile(operations));

const ascii = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const command = push.text(`touch ${join(tmpdir(), 'edgeclip-was-here')}`);

describe('a pickle that names what is not part of a state dict', () => {
  it.each<[string, Uint8Array]>([
    ['posix.system', push.call(push.global('posix', 'system'), command)],
    ['nt.system', push.call(push.global('nt', 'system'), command)],
    ['os.system', push.call(push.global('os', 'system'), command)],
    ['subprocess.Popen', push.call(push.global('subprocess', 'Popen'), command)],
    ['builtins.eval', push.call(push.global('builtins', 'eval'), command)],
    ['builtins.exec', push.call(push.global('builtins', 'exec'), command)],
    ['builtins.getattr', push.call(push.global('builtins', 'getattr'), command)],
    ['__builtin__.apply', push.call(push.global('__builtin__', 'apply'), command)],
    ['torch.hub.load', push.call(push.global('torch.hub', 'load'), command)],
    ['torch.load', push.call(push.global('torch', 'load'), command)],
    ['torch.storage._load_from_bytes', push.call(push.global('torch.storage', '_load_from_bytes'), command)],
    ['numpy.load', push.global('numpy', 'load')],
    ['torch._utils._rebuild_qtensor', push.global('torch._utils', '_rebuild_qtensor')],
    ['open_clip.model.CLIP', push.global('open_clip.model', 'CLIP')],
    ['torch.nn.modules.linear.Linear', push.global('torch.nn.modules.linear', 'Linear')],
    // By the other operations that name things.
    ['posix.system', concat(push.text('posix'), push.text('system'), [0x93], push.tuple(command), [0x52])],
    ['posix.system', concat([0x28], command, ascii('iposix\nsystem\n'))],
    ['posix.system', concat([0x28], push.global('posix', 'system'), command, [0x6f])],
    // A dotted name reaches through a module that is allowed.
    ['collections.abc.sys.modules', push.global('collections', 'abc.sys.modules')],
    ['torch._utils.os.system', push.global('torch._utils', 'os.system')],
    ['collections.OrderedDict.fromkeys', push.global('collections', 'OrderedDict.fromkeys')],
    ['__torch__x.os.system', push.global('__torch__x.os', 'system')],
    ['constructor.constructor', push.global('constructor', 'constructor')],
    ['torch.constructor', push.global('torch', 'constructor')],
    ['torch.__proto__', push.global('torch', '__proto__')],
  ])('is refused by its name: %s', async (name, operations) => {
    const deep = push.dict([
      ['optimizer', push.tuple(operations)],
      ['state_dict', push.dict([])],
    ]);
    for (const value of [operations, deep]) {
      expect(await refusedPickle(value)).toBe(
        `"x.pt" has a pickle that names ${name}, which is not part of a state dict; nothing of it was run; ` +
          'if you trust the file, load it in Python and save model.state_dict()',
      );
    }
  });

  it('is shown in quotes if the name is odd, and cut', async () => {
    expect(await refusedPickle(push.global('os\u0000"\u001b[2J', 'x'))).toContain('names "os\\u0000');
    expect((await refusedPickle(concat(push.text('a'.repeat(100_000)), push.text('b'), [0x93]))).length).toBeLessThan(
      400,
    );
  });

  it('of the older form, too', async () => {
    const head = ascii('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.');
    const system = pickle(push.dict([]));
    const file = concat(head, system, pickle(push.call(push.global('posix', 'system'), command)));
    expect(await refusal(file)).toContain('names posix.system');
  });

  it('that is not of torch at all is not read', async () => {
    expect(await refusal(concat(ascii('\x80\x02'), push.call(push.global('posix', 'system'), command), [0x2e]))).toBe(
      '"x.pt" is a Python pickle, but not one of torch.save; save the state dict with safetensors.torch.save_file or torch.save',
    );
  });
});

describe('records of training', () => {
  const read = (value: Uint8Array) => readPickle(pickle(value), new TorchPickle('x.pt')).value;

  it.each([
    ['argparse', 'Namespace'],
    ['numpy._core.multiarray', 'scalar'],
    ['numpy', 'dtype'],
    ['__torch__.multimodal.model.___torch_mangle_9591', 'Multimodal'],
    ['collections', 'defaultdict'],
  ])('%s.%s is kept as its name, arguments and state', (module, name) => {
    const operations = concat(
      push.call(push.global(module, name), push.int(3)),
      push.dict([['a', push.int(1)]]),
      [0x62],
    );
    const record = read(operations) as InertRecord;
    expect(record).toBeInstanceOf(InertRecord);
    expect(record).toMatchObject({ path: `${module}.${name}`, args: [3], state: new Map([['a', 1]]) });
  });

  it('integers of any size, floats, text and bytes are values', () => {
    const values = concat(
      [0x28, 0x8a, 1, 0xff, 0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x8b, 2, 0, 0, 0, 0, 0x80, 0x4d, 1, 2],
      [0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x88, 0x4e, 0x43, 2, 7, 8, 0x8c, 2, 0xc3, 0xbc, 0x8a, 0, 0x74],
    );
    expect(read(values)).toEqual([-1, 2n ** 64n, -32768, 513, 1.5, true, null, Uint8Array.of(7, 8), 'ü', 0]);
  });

  it('lengths of every width, and the kinds of bytes, lists and sets', () => {
    const long = (code: number, width: number, ...bytes: number[]) => [
      code,
      bytes.length,
      ...Array(width - 1).fill(0),
      ...bytes,
    ];
    const values = concat(
      [
        0x28,
        ...long(0x8d, 8, 0x61),
        ...long(0x8e, 8, 1),
        ...long(0x96, 8, 2),
        ...long(0x42, 4, 3),
        ...long(0x54, 4, 4),
      ],
      [
        ...long(0x55, 1, 5),
        ...long(0x58, 4, 0x62),
        0x8f,
        0x28,
        0x4b,
        6,
        0x90,
        0x28,
        0x4b,
        7,
        0x91,
        0x28,
        0x4b,
        8,
        0x6c,
      ],
      [
        0x28, 0x4b, 9, 0x4b, 10, 0x64, 0x4b, 1, 0x85, 0x4b, 2, 0x4b, 3, 0x86, 0x4b, 4, 0x4b, 5, 0x4b, 6, 0x87, 0x89,
        0x74,
      ],
    );
    const bytes = (value: number) => Uint8Array.of(value);
    const expected = ['a', bytes(1), bytes(2), bytes(3), bytes(4), bytes(5), 'b', [6], [7], [8], new Map([[9, 10]])];
    expect(read(values)).toEqual([...expected, [1], [2, 3], [4, 5, 6], false]);
  });

  it('POP above a mark with nothing on it takes the mark, POP_MARK what is above it', () => {
    expect(read(ascii('(K\x01(0K\x02(K\x03K\x041t'))).toEqual([1, 2]);
  });

  it('keys such as __proto__ change nothing', () => {
    const value = read(push.dict([['__proto__', push.dict([['polluted', push.int(1)]])]])) as Map<string, unknown>;
    expect([...value.keys()]).toEqual(['__proto__']);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('memo, marks and duplicates work as in Python', () => {
    // ([] memoized, 1, appended, recalled, stored as 7, recalled, duplicated), then a value and a mark that are taken back.
    const value = read(concat([0x28, 0x5d, 0x94], ascii('K\x01ah\0q\x07j\x07\0\0\x002K\x050(0(K\x031t'))) as unknown[];
    expect(value).toEqual([[1], [1], [1], [1]]);
    expect(value[0]).toBe(value[3]);
  });
});

describe('a damaged pickle', () => {
  it.each<[string, string, string]>([
    ['that ends early', '}', 'is damaged: its pickle of'],
    ['without a value', '.', 'takes more than it has'],
    ['with a length past its end', 'X\xff\xff\xff\xffa.', 'ends inside an operation'],
    ['with a length of 2^63', '\x8d\0\0\0\0\0\0\0\x80a.', 'ends inside an operation'],
    ['with a frame only', '\x95\xff\xff\xff\xff\xff\xff\xff\xff', 'ends inside an operation'],
    ['with an integer of 2 GB', '\x8b\xff\xff\xff\x7f.', 'an integer of 2147483647 bytes'],
    ['with bytes that are not UTF-8', 'X\x01\0\0\0\xff.', 'not UTF-8'],
    ['that recalls what is not there', 'h\x07.', 'recalls 7, which it did not store'],
    ['without a mark', 't.', 'has no mark'],
    ['that takes what is before a mark', 'K\x01(K\x02\x86.', 'takes more than it has'],
    ['that duplicates nothing', '(2.', 'takes more than it has'],
    ['that stores nothing', 'q\0.', 'takes more than it has'],
    ['that calls a number', 'K\x01)R.', 'calls what is not a class'],
    ['that calls without a tuple', 'ccollections\nOrderedDict\nK\x01R.', 'arguments that are not a tuple'],
    ['that calls a storage', 'ctorch\nFloatStorage\n)R.', 'calls torch.FloatStorage'],
    ['that appends to a number', 'K\x01K\x01a.', 'appends to what is not a list'],
    ['that sets items of a list', ']K\x01K\x01s.', 'sets items of what is not a dict'],
    ['with a key alone', '}(K\x01u.', 'a key without a value'],
    ['with a tensor of nothing', 'ctorch._utils\n_rebuild_tensor_v2\n)R.', 'rebuilds a tensor from what is not one'],
    ['with a parameter of nothing', 'ctorch._utils\n_rebuild_parameter\n)R.', 'too few arguments'],
    ['that refers to no storage', 'K\x01Q.', 'refers to what is not a storage'],
    ['of protocol 0', 'I7\n.', 'the operation 0x49 at byte'],
    ['with an extension', '\x82\x01.', 'the operation 0x82'],
    ['of the future', '\x80\x06N.', 'a protocol after 5'],
    ['with a name without an end', 'cposix', 'ends inside a name'],
  ])('%s is refused', async (_, operations, message) => {
    // The writer's own end is cut off, so that the operations are the last ones.
    const file = zip([{ name: 'a/data.pkl', data: concat([0x80, 2], ascii(operations)) }]);
    expect(await refusal(file)).toContain(message);
  });

  it('rebuilds nothing through itself without end', async () => {
    const type = push.global('torch._tensor', '_rebuild_from_type_v2');
    const nested = push.call(type, type, push.none, push.tuple(type, push.none, push.tuple()));
    expect(await refusedPickle(nested)).toContain('rebuilds a tensor from what is not one');
  });
});

describe('a pickle without end', () => {
  const fill = (bytes: number, pattern: string) => {
    const filled = new Uint8Array(bytes);
    const unit = ascii(pattern);
    for (let i = 0; i < bytes; i++) filled[i] = unit[i % unit.length]!;
    return filled;
  };
  /** A thousand entries, whose keys differ from those of another `high`. */
  const keys = (high: number) =>
    concat(...Array.from({ length: 1000 }, (_, i) => [0x4a, i & 255, i >> 8, high, 0, 0x4e]));
  it.each<[string, Uint8Array, string]>([
    ['lists in lists', fill(7_000_000, ']'), 'more than 200000 objects'],
    ['tuples around tuples', concat([0x29], fill(7_000_000, '\x85')), 'more than 200000 objects'],
    ['dicts', fill(7_000_000, '}'), 'more than 200000 objects'],
    ['marks', fill(7_000_000, '('), 'more than 1000000 operations'],
    ['numbers', fill(7_000_000, 'K\x01'), 'more than 1000000 operations'],
    ['numbers that are taken back', fill(7_000_000, 'N0'), 'more than 1000000 operations'],
    ['duplicates of a text', concat(push.text('x'.repeat(1_000_000)), fill(5_000_000, '2')), '1000000 operations'],
    ['memo entries', concat([0x4e], fill(7_000_000, '\x94')), 'stores more than 200000 objects'],
    ['classes', fill(7_000_000, 'cnumpy\ndtype\n'), 'more than 200000 objects'],
    ['records', concat(ascii('cnumpy\ndtype\nq\0)q\x01'), fill(7_000_000, 'h\0h\x01\x81')), 'more than 200000 objects'],
    [
      'entries of a dict',
      concat(ascii('}('), ...Array.from({ length: 250 }, (_, high) => keys(high)), ascii('u')),
      'more than 200000 objects',
    ],
  ])('%s: refused after a bounded number of steps', async (_, operations, message) => {
    expect(await refusedPickle(operations)).toContain(message);
  });

  it('that copies a shared list again and again is refused', async () => {
    const pairs = concat(ascii(']q\0('), ...Array(10_000).fill(ascii('K\x01K\x02\x86')), ascii('e0'));
    const copies = Array(100).fill(ascii('ccollections\nOrderedDict\nh\0\x85R'));
    expect(await refusedPickle(concat(pairs, ...copies))).toContain('copies more than 500000 items');
  });

  it('that names modules inside each other without end is refused', async () => {
    const module = concat(ascii('c__torch__\nM\n)\x81q\0}('), push.text('m'), ascii('h\0ub'));
    const script: Entry = { name: 'archive/constants.pkl', data: pickle(push.none) };
    expect(await refusal(torchFile(module, [], [script]))).toContain('nested more than 64 deep');
    // Each module has the next one ten times: 10^20 paths.
    let doubling = concat(ascii('c__torch__\nM\n)\x81'));
    for (let i = 0; i < 20; i++) {
      const names = Array.from({ length: 10 }, (_, n) => concat(push.text(`m${n}`), [0x68, i]));
      doubling = concat(doubling, [0x71, i, 0x30], ascii('c__torch__\nM\n)\x81}('), ...names, ascii('ub'));
    }
    expect(await refusal(torchFile(doubling, [], [script]))).toContain('more than 200000 attributes');
  });

  it('of more bytes than any checkpoint has is refused before it is read', async () => {
    let largest = 0;
    const bytes = torchFile(fill(9_000_000, 'N0'));
    const plain = bytesSource(bytes, 'x.pt');
    const readInto: Source['readInto'] = (offset, target, signal) => {
      largest = Math.max(largest, target.byteLength);
      return plain.readInto(offset, target, signal);
    };
    expect(await refusal({ ...plain, readInto })).toContain(
      'bytes in its entry "archive/data.pkl", expected at most 8000000',
    );
    expect(largest).toBeLessThan(100_000);
  });
});

describe('a hostile or damaged zip archive', () => {
  const data = new Uint8Array(new Float32Array([1, 2]).buffer);
  const dict = stateDict([{ name: 'a', dtype: 'F32', shape: [2], data }]);
  const pkl: Entry = { name: 'archive/data.pkl', data: pickle(dict) };
  const storage: Entry = { name: 'archive/data/0', data };

  it('is read with a comment, without a folder, and with its records in zip64', async () => {
    for (const file of [
      zip([pkl, storage], { comment: 'PK\x05\x06 a comment that looks like an end' }),
      zip([
        { ...pkl, name: 'data.pkl' },
        { ...storage, name: 'data/0' },
      ]),
      zip([pkl, storage], { zip64: true }),
    ]) {
      const { tensors } = await readTensorFile(bytesSource(file));
      expect([...tensors.keys()]).toEqual(['a']);
      const start = await firstElement(tensors.get('a')!);
      expect(file.subarray(start, start + data.length)).toEqual(data);
    }
  });

  it.each(['../../etc/passwd', '/etc/passwd', 'archive/../../x', 'C:\\x', 'archive\\..\\x', 'a\0b', ''])(
    'with an entry named %j is refused',
    async (name) => {
      expect(await refusal(zip([pkl, storage, { name, data }]))).toContain(
        `has an entry named ${JSON.stringify(name)}, which is not a path inside the archive`,
      );
    },
  );

  it.each<[string, readonly Entry[], string]>([
    [
      'a bomb: a compressed pickle',
      [{ ...pkl, claims: { method: 8, bytes: 2 ** 31 - 1, compressed: 100 } }, storage],
      'compressed',
    ],
    [
      'a bomb: a compressed tensor',
      [pkl, { ...storage, claims: { method: 8 } }],
      'has the entry "archive/data/0" compressed',
    ],
    ['an encrypted entry', [{ ...pkl, claims: { flags: 1 } }, storage], 'compressed or encrypted'],
    [
      'a bomb: entries that share bytes',
      [pkl, storage, { name: 'archive/data/1', data: new Uint8Array(0), claims: { offset: 0 } }],
      'overlap',
    ],
    ['a size of 2^63', [pkl, { ...storage, claims: { bytes: 2n ** 63n } }], 'reaches into the archive'],
    ['a size of 2^64 - 1', [{ ...pkl, claims: { bytes: 2n ** 64n - 1n } }, storage], 'reaches into the archive'],
    [
      'sizes that differ',
      [pkl, { ...storage, claims: { bytes: 9, compressed: 8 } }],
      'is stored as it is, but has 9 bytes in 8',
    ],
    ['an entry past the end', [pkl, { ...storage, claims: { offset: 1e9 } }], 'reaches into the archive'],
    ['an entry that is elsewhere', [pkl, { ...storage, claims: { offset: 5, bytes: 1 } }], 'overlap'],
    ['a name twice', [pkl, pkl, storage], 'has the entry "archive/data.pkl" twice'],
    ['two pickles', [pkl, { ...pkl, name: 'other/data.pkl' }], 'has 2 files data.pkl'],
    ['no pickle', [storage], 'is a zip archive without data.pkl, not a PyTorch file'],
    ['no storage', [pkl], 'is damaged: it has no entry "archive/data/0"'],
    ['a short storage', [pkl, { ...storage, data: data.slice(1) }], 'reaches past its storage of 7 bytes'],
    ['another byte order', [pkl, storage, { name: 'archive/byteorder', data: ascii('big') }], 'with "big" byte order'],
  ])('with %s is refused', async (_, entries, message) => {
    expect(await refusal(zip(entries))).toContain(message);
  });

  it('with more entries than any checkpoint is refused before its directory is read', async () => {
    expect(await refusal(zip([pkl, storage], { zip64: true, count: 2 ** 40 }))).toContain(
      'a directory of 1099511627776 entries',
    );
    expect(await refusal(zip([pkl, storage], { count: 60_000 }))).toContain(
      'entry 3 of 60000 in its directory is not one',
    );
  });

  it('whose tensors are all one storage, larger together than the file, is refused', async () => {
    const large = new Uint8Array(40_000);
    const view = push.tensor(push.storage('FloatStorage', '0', 10_000), 0, [10_000], [1]);
    const entries = (count: number) =>
      torchFile(push.dict(Array.from({ length: count }, (_, i) => [`t${i}`, view] as const)), [large]);
    expect((await readTensorFile(bytesSource(entries(2)))).tensors.size).toBe(2); // tied weights
    expect(await refusal(entries(30))).toContain('they share their elements');
    const expanded = push.tensor(push.storage('FloatStorage', '0', 10_000), 0, [100_000, 100_000], [0, 0]);
    expect(await refusal(torchFile(push.dict([['t', expanded]]), [large]))).toContain('they share their elements');
  });

  it.each<[string, readonly number[], readonly number[], number]>([
    ['a shape', [3], [1], 0],
    ['an offset', [1], [1], 2],
    ['a stride', [2], [2], 0],
    ['a size that is not exact', [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1], [1, 1, 1], 0],
    ['an infinite size', Array(64).fill(2 ** 31 - 1), Array(64).fill(0), 0],
  ])('%s that reaches past the storage is refused', async (_, shape, strides, offset) => {
    const tensor = push.tensor(push.storage('FloatStorage', '0', 2), offset, shape, strides);
    expect(await refusal(torchFile(push.dict([['t', tensor]]), [data]))).toContain('tensor "t" of shape');
  });
});

/** A small generator (xorshift32), so that a failure can be repeated. */
function random(seed: number) {
  let state = seed;
  return (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

describe.each(['state-dict.pt', 'checkpoint.pt', 'old.pt', 'openai.pt'])('%s, damaged at random', (name) => {
  const whole = new Uint8Array(readFileSync(goldenPath(`torch/${name}`)));

  /** Reads without error, with every tensor inside the file, or gives a ClipError. */
  async function check(bytes: Uint8Array, what: string) {
    try {
      const { tensors } = await readTensorFile(bytesSource(bytes, 'x.pt'));
      for (const tensor of tensors.values()) {
        const { byteLength, shape, strides } = tensor;
        const span = strides ? 0 : byteLength;
        expect((await firstElement(tensor)) + span, what).toBeLessThanOrEqual(bytes.length);
        expect(shape.every((size) => Number.isSafeInteger(size) && size >= 0)).toBe(true);
      }
    } catch (error) {
      if (!(error instanceof ClipError)) throw new Error(`${what}: ${String(error)}`, { cause: error });
    }
  }

  it('by flips of a bit or changes of a byte', async () => {
    const next = random(17);
    // Where the descriptions are: not in the weights of openai.pt.
    const ranges = name === 'openai.pt' ? [whole.length - 20_000, whole.length] : [0, whole.length];
    const rounds = name === 'openai.pt' ? 200 : 800;
    for (let i = 0; i < rounds; i++) {
      const bytes = whole.slice();
      for (let n = next(3); n >= 0; n--) {
        const at = ranges[0]! + next(ranges[1]! - ranges[0]!);
        bytes[at] = next(2) === 0 ? bytes[at]! ^ (1 << next(8)) : next(256);
      }
      await check(bytes, `seed 17, round ${i}`);
    }
  });

  it('by a cut: always an error', async () => {
    const next = random(18);
    for (let i = 0; i < 150; i++) {
      const length = i < 50 ? whole.length - 1 - i : next(whole.length);
      expect(await rejection(readTensorFile(bytesSource(whole.subarray(0, length), 'x.pt')))).toBeInstanceOf(ClipError);
    }
  });
});

it('a class is what the table gives, and nothing else', () => {
  const context = new TorchPickle('x.pt');
  expect(context.find('collections', 'OrderedDict')).toBeInstanceOf(PickleClass);
  expect(() => context.find('collections', 'namedtuple')).toThrow(ClipError);
});

/** Published checkpoints that are not what they say: zeros, left-over tensors, 8-bit codes, scales and folds out of range. */
import { describe, expect, it } from 'vitest';
import { loadClip } from '../../src/load.ts';
import { readDescription, towerSource } from '../../src/weights/model-files.ts';
import { openTower } from '../../src/weights/open-tower.ts';
import type { TensorData } from '../../src/weights/safetensors.ts';
import {
  type Checkpoint,
  editTensors,
  editValues,
  type Folder,
  pack,
  readFolder,
  refusal,
  rejection,
  storeOf,
  utf8,
} from '../api/checkpoint.ts';
import { readGolden, syntheticPicture } from '../model/golden.ts';

const OPENCLIP = 'open_clip_model.safetensors';
const HUGGING_FACE = 'model.safetensors';
const openclip = readFolder('tiny-vit');
const huggingface = readFolder('tiny-vit-hf');
const { token_ids: ids } = readGolden('tiny-vit/expected.json');
const picture = syntheticPicture(80);

async function embeddings(folder: Folder, precision: 'int8' | 'f32' = 'f32'): Promise<Float32Array[]> {
  using clip = await loadClip(storeOf(folder), { precision });
  return [await clip.encodeImage(picture), ...(await clip.encodeTokens(ids))];
}

/** A JSON file of the folder, edited. */
function editJson(folder: Folder, name: string, edit: (json: Record<string, Record<string, unknown>>) => void): Folder {
  const json = JSON.parse(new TextDecoder().decode(folder[name]));
  edit(json);
  return { ...folder, [name]: utf8(JSON.stringify(json)) };
}

const add = (folder: Folder, file: string, ...tensors: TensorData[]) =>
  editTensors(folder, file, (c) => ({ ...c, tensors: [...c.tensors, ...tensors] }));

const f32 = (name: string, values: readonly number[], shape = [values.length]): TensorData => ({
  name,
  dtype: 'F32',
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

describe('a matrix of zeros', () => {
  it.each([
    [openclip, OPENCLIP, 'visual.conv1.weight'],
    [openclip, OPENCLIP, 'transformer.resblocks.1.attn.in_proj_weight'],
    [openclip, OPENCLIP, 'visual.transformer.resblocks.2.mlp.c_proj.weight'],
    [openclip, OPENCLIP, 'token_embedding.weight'],
    [openclip, OPENCLIP, 'visual.proj'],
    [huggingface, HUGGING_FACE, 'vision_model.encoder.layers.0.self_attn.k_proj.weight'],
  ])('is refused by its name %#', async (folder, file, name) => {
    for (const zero of [0, -0]) {
      const model = editValues(folder, file, name, (values) => void values.fill(zero));
      for (const precision of ['int8', 'f32']) {
        expect(await refusal(model, { precision })).toMatchObject({
          code: 'WEIGHTS_VALUE',
          message: `"${file}": tensor ${name} has only zeros; fetch the file again`,
        });
      }
    }
  });

  it('is told from one with a single value, and vectors may be zeros', async () => {
    let model = editValues(openclip, OPENCLIP, 'transformer.resblocks.1.attn.in_proj_weight', (values) => {
      values.fill(0);
      values[values.length - 1] = 1e-30;
    });
    for (const name of [
      'visual.ln_post.bias',
      'transformer.resblocks.0.attn.in_proj_bias',
      'ln_final.bias',
      'visual.class_embedding',
    ]) {
      model = editValues(model, OPENCLIP, name, (values) => void values.fill(0));
    }
    (await loadClip(storeOf(model))).dispose();
  });

  it('is found where the end of a file was never written', async () => {
    const bytes = openclip[OPENCLIP]!.slice();
    bytes.fill(0, bytes.length / 2);
    expect(await refusal({ ...openclip, [OPENCLIP]: bytes })).toMatchObject({
      code: 'WEIGHTS_VALUE',
      message: expect.stringContaining('only zeros'),
    });
  });
});

describe('B25: tensors that the configuration does not describe', () => {
  const fewer = (key: string) =>
    editJson(huggingface, 'config.json', (json) => {
      json[key]!.num_hidden_layers = 2;
    });

  it('of a layer more than it says are refused by name, with what it says', async () => {
    expect(await refusal(fewer('vision_config'))).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: expect.stringMatching(
        /^"model\.safetensors" has the tensor vision_model\.encoder\.layers\.2\.\S+ and 15 more, which the configuration does not describe: the image tower is a ViT with patches of 16 and 2 layers of width 128$/,
      ),
    });
    expect(await refusal(fewer('text_config'))).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: expect.stringMatching(/text_model\.encoder\.layers\.2\..* a transformer of 2 layers of width 128$/),
    });
    const openClipFewer = editJson(openclip, 'open_clip_config.json', ({ model_cfg }) => {
      (model_cfg!.vision_cfg as { layers: number }).layers = 2;
    });
    expect((await refusal(openClipFewer)).message).toContain('visual.transformer.resblocks.2.');
  });

  it('matter only for the tower that is loaded', async () => {
    (await loadClip(storeOf(fewer('vision_config')), { towers: ['text'] })).dispose();
    (await loadClip(storeOf(fewer('text_config')), { towers: ['image'] })).dispose();
  });

  it('are found whatever wraps the names', async () => {
    const model = editTensors(fewer('vision_config'), HUGGING_FACE, (c) => ({
      ...c,
      tensors: c.tensors.map((tensor) => ({ ...tensor, name: `module.${tensor.name}` })),
    }));
    expect((await refusal(model)).message).toContain('has the tensor module.vision_model.encoder.layers.2.');
  });

  it.each([
    'vision_model.encoder.layers.0.self_attn.q_proj.lora_A.weight',
    'vision_model.embeddings.register_tokens',
    'vision_model.encoder.layers.0.layer_scale1.lambda1',
    'text_model.embeddings.token_type_embedding.weight',
    'visual_projection.bias',
  ])('such as %s are refused: they would change the embedding', async (name) => {
    expect(await refusal(add(huggingface, HUGGING_FACE, f32(name, [1, 2])))).toMatchObject({
      code: 'WEIGHTS_FORMAT',
      message: expect.stringContaining(`has the tensor ${name}, which`),
    });
  });

  it.each([
    'vision_model.embeddings.position_ids',
    'text_model.embeddings.position_ids',
    'vision_model.bn1.num_batches_tracked',
    'text_model.attn_mask',
    'logit_bias',
    'attn_mask',
    'scaled_fp8',
    'optimizer.state.0',
  ])('such as %s change nothing and are allowed', async (name) => {
    expect(await embeddings(add(huggingface, HUGGING_FACE, f32(name, [1, 2])))).toEqual(await embeddings(huggingface));
  });
});

describe('R08: the logit scale', () => {
  const scaled = (value: number) => editValues(openclip, OPENCLIP, 'logit_scale', (values) => void values.fill(value));

  it.each([88, 89, 100, 1000, 6.91, -0.01, -100])('stored as %f is refused by name and value', async (value) => {
    for (const precision of ['int8', 'f32']) {
      expect(await refusal(scaled(value), { precision })).toMatchObject({
        code: 'WEIGHTS_VALUE',
        message: `"${OPENCLIP}": tensor logit_scale has ${Math.fround(value)}, expected a value from 0 to 6.9078`,
      });
    }
    (await loadClip(storeOf(scaled(value)), { towers: ['image'] })).dispose();
  });

  it('stored as NaN is refused by name', async () => {
    expect(await refusal(scaled(Number.NaN))).toMatchObject({
      code: 'WEIGHTS_VALUE',
      message: expect.stringContaining('logit_scale has NaN'),
    });
  });

  it.each([
    [4.6052, 100.0],
    [0, 1],
    [Math.log(1000), 1000],
  ])('stored as %f is %f', async (value, scale) => {
    using clip = await loadClip(storeOf(scaled(value)));
    expect(clip.logitScale / scale).toBeCloseTo(1, 4);
    using packed = await loadClip(storeOf(await pack(scaled(value))));
    expect(packed.logitScale).toBe(clip.logitScale);
  });

  it('may be absent where only the image tower is loaded', async () => {
    const model = editTensors(openclip, OPENCLIP, (c) => ({
      ...c,
      tensors: c.tensors.filter(({ name }) => name !== 'logit_scale'),
    }));
    using clip = await loadClip(storeOf(model), { towers: ['image'] });
    using whole = await loadClip(storeOf(openclip), { towers: ['image'] });
    expect(await clip.encodeImage(picture)).toEqual(await whole.encodeImage(picture));
    expect(await refusal(model)).toMatchObject({
      code: 'WEIGHTS_MISSING',
      message: expect.stringContaining('logit_scale'),
    });
  });
});

/** bitsandbytes' int8_vectorwise_quant: codes and the largest magnitude of each row. */
function quantized({ name, shape, data }: TensorData): { codes: TensorData; scb: TensorData; values: Float32Array } {
  const values = new Float32Array(data.buffer, data.byteOffset, data.byteLength / 4).slice();
  const [rows, columns] = shape as [number, number];
  const codes = new Int8Array(values.length);
  const largest = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * columns, (r + 1) * columns);
    largest[r] = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    row.forEach((value, i) => {
      const code = Math.round((127 * value) / largest[r]!);
      codes[r * columns + i] = code;
      row[i] = Math.fround(Math.fround(code * largest[r]!) * Math.fround(7.874015718698502e-3));
    });
  }
  return {
    codes: { name, dtype: 'I8', shape, data: new Uint8Array(codes.buffer) },
    scb: { name: name.replace(/\.weight$/, '.SCB'), dtype: 'F32', shape: [rows], data: new Uint8Array(largest.buffer) },
    values,
  };
}

const isLinear = ({ name }: TensorData) => /(_proj|fc[12])\.weight$/.test(name);

const quantize = (more: (codes: TensorData, scb: TensorData) => TensorData[]) => (c: Checkpoint) => ({
  ...c,
  tensors: c.tensors.flatMap((tensor) => {
    if (!isLinear(tensor)) return [tensor];
    const { codes, scb } = quantized(tensor);
    return more(codes, scb);
  }),
});

describe('B02: 8-bit checkpoints', () => {
  const byte = (name: string, value: number): TensorData => ({
    name,
    dtype: 'U8',
    shape: [],
    data: Uint8Array.of(value),
  });
  const format = (codes: TensorData, value: number) => byte(codes.name.replace(/\.weight$/, '.weight_format'), value);

  it('of bitsandbytes are dequantized as it does: code x SCB / 127', async () => {
    const model = editTensors(
      huggingface,
      HUGGING_FACE,
      quantize((codes, scb) => [codes, scb, format(codes, 0)]),
    );
    const plain = editTensors(huggingface, HUGGING_FACE, (c) => ({
      ...c,
      tensors: c.tensors.map((tensor) =>
        isLinear(tensor) ? { ...tensor, data: new Uint8Array(quantized(tensor).values.buffer) } : tensor,
      ),
    }));
    for (const precision of ['f32', 'int8'] as const) {
      expect(await embeddings(model, precision)).toEqual(await embeddings(plain, precision));
    }
    expect(await embeddings(model)).not.toEqual(await embeddings(huggingface));
  });

  it('whose codes lie in the order of a GPU, or that lack their scales, are refused by name', async () => {
    const turned = editTensors(
      huggingface,
      HUGGING_FACE,
      quantize((codes, scb) => [codes, scb, format(codes, 2)]),
    );
    expect(await refusal(turned)).toMatchObject({
      code: 'WEIGHTS_DTYPE',
      message: expect.stringContaining('_proj.weight_format is 2'),
    });
    const bare = editTensors(
      huggingface,
      HUGGING_FACE,
      quantize((codes) => [codes]),
    );
    expect(await refusal(bare)).toMatchObject({
      code: 'WEIGHTS_DTYPE',
      message: expect.stringMatching(/tensor \S+\.weight has the element type I8, expected one of F32/),
    });
    const short = editTensors(
      huggingface,
      HUGGING_FACE,
      quantize((codes, scb) => [codes, { ...scb, shape: [1], data: scb.data.slice(0, 4) }]),
    );
    expect(await refusal(short)).toMatchObject({
      code: 'WEIGHTS_SHAPE',
      message: expect.stringContaining('.SCB has the shape [1]'),
    });
  });

  it.each(['U8', 'I8', 'F8_E4M3', 'F8_E5M2', 'BOOL'])('of %s are refused by name', async (dtype) => {
    const names = [
      'text_model.encoder.layers.1.mlp.fc1.weight',
      'text_model.final_layer_norm.bias',
      'text_model.embeddings.token_embedding.weight',
    ];
    for (const name of names) {
      const model = editTensors(huggingface, HUGGING_FACE, (c) => ({
        ...c,
        tensors: c.tensors.map((tensor) =>
          tensor.name === name ? { ...tensor, dtype, data: tensor.data.slice(0, tensor.data.length / 4) } : tensor,
        ),
      }));
      expect(await refusal(model)).toMatchObject({
        code: 'WEIGHTS_DTYPE',
        message: `"model.safetensors": tensor ${name} has the element type ${dtype}, expected one of F32, F16, BF16, F64`,
      });
    }
  });
});

describe('folding', async () => {
  const files = storeOf(openclip);
  const { config } = await readDescription(files);
  /** Fills the image tower, for pixels of another normalization. */
  async function fill(folder: Folder, std: number[], precision: 'int8' | 'f32') {
    const source = await towerSource(storeOf(folder), 'image');
    const file = await openTower(source, config, 'image', precision, { mean: [0.5, 0.5, 0.5], std });
    await file.fill(new Uint8Array(file.layout.byteLength));
  }

  it.each([0, 1e-40, 1e-42, 1e-25])(
    'a standard deviation of %f is refused with the tensor and the fold',
    async (std) => {
      for (const precision of ['int8', 'f32'] as const) {
        const error = await rejection(fill(openclip, [0.3, std, 0.3], precision));
        expect(error).toMatchObject({ code: 'WEIGHTS_VALUE' });
        expect(error.message).toContain('visual.conv1.weight');
        expect(error.message).toContain(`folding the pixels' normalization (mean 0.5, 0.5, 0.5, std 0.3, ${std}, 0.3)`);
        await fill(openclip, [0.3, 0.2, 0.3], precision);
      }
    },
  );

  it('a first layer whose outputs would overflow in the LayerNorm after it is refused', async () => {
    const model = editValues(openclip, OPENCLIP, 'visual.conv1.weight', (values) => {
      values[7] = 1e18;
    });
    expect(await refusal(model)).toMatchObject({
      code: 'WEIGHTS_VALUE',
      message: expect.stringMatching(/visual\.conv1\.weight gives values up to \S+e\+18 after folding the pixels/),
    });
  });

  it('values whose sum with the class token overflows are refused', async () => {
    let model = openclip;
    for (const name of ['visual.class_embedding', 'visual.positional_embedding']) {
      model = editValues(model, OPENCLIP, name, (values) => {
        values[3] = 3e38;
      });
    }
    expect(await refusal(model)).toMatchObject({
      code: 'WEIGHTS_VALUE',
      message: `"${OPENCLIP}": after the sum with visual.class_embedding, tensor visual.positional_embedding has Infinity at index [3]`,
    });
  });
});

import { Convolutions, fold } from './convolutions.js';
import { FLOAT, GraphBuilder, INT64 } from './graph.js';

const LAYERS = [3, 4, 6, 3];
const WIDTH = 64;
const HEADS = 32;
const EMBEDDING = 1024;
const EPSILON = 1e-5;

/**
 * OpenAI's RN50 (model.py, ModifiedResNet): `pixel_values` f32 [1][3][224][224] to `image_embeds` [1][1024], batch norms folded.
 * int8 (`ranges`): convolutions as static quantization writes them, the attention pooling's linear maps as dynamic does.
 * @param {{ weights: { get(name: string): Float32Array }, ranges?: [number, number][], watch?: boolean }} options
 */
export function rn50({ weights, ranges, watch = false }) {
  const g = new GraphBuilder('rn50', { int8: ranges !== undefined });
  const c = new Convolutions(g, { ranges, watch });
  const conv = (x, name, norm, from, to, kernel = 1, stride = 1) => {
    const pad = kernel >> 1;
    return c.conv(x, fold(weights, `visual.${name}`, `visual.${norm}`, EPSILON), [to, from, kernel, kernel], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    });
  };
  const pool = (x) => c.quantized(g.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] }));

  let x = c.quantized(g.input('pixel_values', FLOAT, [1, 3, 224, 224]));
  x = c.relu(conv(x, 'conv1', 'bn1', 3, WIDTH / 2, 3, 2)); // [1][32][112][112]
  x = c.relu(conv(x, 'conv2', 'bn2', WIDTH / 2, WIDTH / 2, 3));
  x = c.relu(conv(x, 'conv3', 'bn3', WIDTH / 2, WIDTH, 3));
  x = pool(x); // [1][64][56][56]
  let from = WIDTH;
  LAYERS.forEach((repeats, layer) => {
    const planes = WIDTH * 2 ** layer;
    const to = planes * 4;
    for (let repeat = 0; repeat < repeats; repeat++) {
      const at = `layer${layer + 1}.${repeat}.`;
      const halves = repeat === 0 && layer > 0;
      let y = c.relu(conv(x, `${at}conv1`, `${at}bn1`, from, planes));
      y = c.relu(conv(y, `${at}conv2`, `${at}bn2`, planes, planes, 3));
      if (halves) y = pool(y);
      y = c.quantized(conv(y, `${at}conv3`, `${at}bn3`, planes, to));
      let residual = x;
      if (repeat === 0) {
        if (halves) residual = pool(residual);
        residual = c.quantized(conv(residual, `${at}downsample.0`, `${at}downsample.1`, from, to));
      }
      x = c.relu(g.add(y, residual));
      from = to;
    }
  }); // [1][2048][7][7]
  g.output(attentionPool(g, x, weights, from), 'image_embeds', FLOAT, [1, EMBEDDING]);
  return g.encode();
}

/** The mean of all pixels attends to itself and to them. */
function attentionPool(g, x, weights, width) {
  const at = 'visual.attnpool.';
  const linear = (value, name, rows) =>
    g.linear(value, {
      weight: weights.get(`${at}${name}.weight`),
      bias: weights.get(`${at}${name}.bias`),
      rows,
      columns: width,
    });
  const byHead = (value, perm) =>
    g.node('Transpose', [g.node('Reshape', [value, g.ints([0, -1, HEADS, width / HEADS])])], { perm });
  const pixels = g.node('Transpose', [g.node('Reshape', [x, g.ints([1, width, 49])])], { perm: [0, 2, 1] });
  const mean = g.node('ReduceMean', [pixels], { axes: [1], keepdims: 1 });
  const positions = g.floats([50, width], weights.get(`${at}positional_embedding`));
  const tokens = g.add(g.node('Concat', [mean, pixels], { axis: 1 }), positions); // [1][50][2048]
  const first = g.node('Gather', [tokens, g.tensor(INT64, [1], new BigInt64Array([0n]))], { axis: 1 }); // [1][1][2048]
  const query = g.node('Mul', [linear(first, 'q_proj', width), g.scalar((width / HEADS) ** -0.5)]);
  const scores = g.node('MatMul', [byHead(query, [0, 2, 1, 3]), byHead(linear(tokens, 'k_proj', width), [0, 2, 3, 1])]);
  const values = byHead(linear(tokens, 'v_proj', width), [0, 2, 1, 3]);
  const context = g.node('MatMul', [g.node('Softmax', [scores], { axis: -1 }), values]); // [1][32][1][64]
  return linear(g.node('Reshape', [context, g.ints([1, width])]), 'c_proj', EMBEDDING);
}

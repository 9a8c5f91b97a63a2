import { Convolutions, fold } from './convolutions.js';
import { FLOAT, GraphBuilder } from './graph.js';
import { synthetic } from './weights.js';

/** Repeats, channels, kernel, stride, expansion. */
const STAGES = [
  [1, 16, 3, 1, 1],
  [2, 24, 3, 2, 6],
  [2, 40, 5, 2, 6],
  [3, 80, 3, 2, 6],
  [3, 112, 5, 1, 6],
  [4, 192, 5, 2, 6],
  [1, 320, 3, 1, 6],
];
const EMBEDDING = 384;
const EPSILON = 1e-3;

/**
 * EfficientNet-Lite0: `pixel_values` f32 [1][3][224][224] to `image_embeds` [1][384], batch norms folded.
 * `ranges`, `watch`: see convolutions.js.
 * @param {{ weights: { get(name: string): Float32Array }, ranges?: [number, number][], watch?: boolean }} options
 */
export function efficientnetLite0({ weights, ranges, watch = false }) {
  const g = new GraphBuilder('efficientnet-lite0');
  const trunk = 'visual.trunk.';
  const c = new Convolutions(g, { ranges, watch });

  const convolution = (x, size, { name, norm, from, to, kernel = 1, stride = 1, group = 1, clip = true }) => {
    const folded = fold(weights, trunk + name, trunk + norm, EPSILON);
    // TensorFlow's "same": what is left over goes after.
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
    const before = total >> 1;
    const after = total - before;
    const y = c.conv(x, folded, [to, from / group, kernel, kernel], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [before, before, after, after],
      group,
    });
    return c.quantized(clip ? g.node('Clip', [y, g.scalar(0), g.scalar(6)]) : y);
  };

  let x = c.quantized(g.input('pixel_values', FLOAT, [1, 3, 224, 224]));
  x = convolution(x, 224, { name: 'conv_stem', norm: 'bn1', from: 3, to: 32, kernel: 3, stride: 2 });
  let size = 112;
  let from = 32;
  STAGES.forEach(([repeats, to, kernel, firstStride, expansion], stage) => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const stride = repeat === 0 ? firstStride : 1;
      const at = `blocks.${stage}.${repeat}.`;
      const wide = from * expansion;
      const residual = x;
      if (expansion > 1) x = convolution(x, size, { name: `${at}conv_pw`, norm: `${at}bn1`, from, to: wide });
      const norms = expansion > 1 ? [`${at}bn2`, `${at}bn3`] : [`${at}bn1`, `${at}bn2`];
      const depthwise = { name: `${at}conv_dw`, norm: norms[0], from: wide, to: wide, kernel, stride, group: wide };
      x = convolution(x, size, depthwise);
      size = Math.ceil(size / stride);
      const last = expansion > 1 ? `${at}conv_pwl` : `${at}conv_pw`;
      x = convolution(x, size, { name: last, norm: norms[1], from: wide, to, clip: false });
      if (stride === 1 && from === to) x = c.quantized(g.add(x, residual));
      from = to;
    }
  });
  x = convolution(x, size, { name: 'conv_head', norm: 'bn2', from, to: 1280 }); // [1][1280][7][7]
  const mean = g.node('Flatten', [g.node('GlobalAveragePool', [x])]); // [1][1280]
  const projection = g.floats([EMBEDDING, 1280], weights.get('visual.head.proj.weight'));
  const bias = g.floats([EMBEDDING], weights.get('visual.head.proj.bias'));
  g.output(g.node('Gemm', [mean, projection, bias], { transB: 1 }), 'image_embeds', FLOAT, [1, EMBEDDING]);
  return g.encode();
}

/** Stand-in weights under the published names, scaled so that activations neither vanish nor sit at six. */
export class SyntheticEfficientNet {
  get(name) {
    const length = LENGTHS.get(name);
    if (!length) throw new Error(`EfficientNet-Lite0 has no tensor named ${name}`);
    return synthetic(name, length.count, length.mean, length.amplitude);
  }
}

const LENGTHS = tensors();

function tensors() {
  /** @type {Map<string, { count: number, mean: number, amplitude: number }>} */
  const found = new Map();
  const convolution = (name, norm, fanIn, to) => {
    found.set(`visual.trunk.${name}.weight`, { count: to * fanIn, mean: 0, amplitude: Math.sqrt(3 / fanIn) });
    const at = `visual.trunk.${norm}.`;
    found.set(`${at}weight`, { count: to, mean: 1.4, amplitude: 0.2 });
    found.set(`${at}bias`, { count: to, mean: 0.5, amplitude: 0.5 });
    found.set(`${at}running_mean`, { count: to, mean: 0, amplitude: 0.1 });
    found.set(`${at}running_var`, { count: to, mean: 1, amplitude: 0.2 });
  };
  convolution('conv_stem', 'bn1', 27, 32);
  let from = 32;
  STAGES.forEach(([repeats, to, kernel, , expansion], stage) => {
    for (let repeat = 0; repeat < repeats; repeat++) {
      const at = `blocks.${stage}.${repeat}.`;
      const wide = from * expansion;
      const last = expansion > 1 ? ['conv_pwl', 'bn3'] : ['conv_pw', 'bn2'];
      if (expansion > 1) convolution(`${at}conv_pw`, `${at}bn1`, from, wide);
      convolution(`${at}conv_dw`, `${at}${expansion > 1 ? 'bn2' : 'bn1'}`, kernel * kernel, wide);
      convolution(at + last[0], at + last[1], wide, to);
      from = to;
    }
  });
  convolution('conv_head', 'bn2', from, 1280);
  found.set('visual.head.proj.weight', { count: EMBEDDING * 1280, mean: 0, amplitude: Math.sqrt(3 / 1280) });
  found.set('visual.head.proj.bias', { count: EMBEDDING, mean: 0, amplitude: 0.1 });
  return found;
}

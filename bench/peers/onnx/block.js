// The transformer block of both towers (pre-LN, QuickGELU), in the two forms a user of onnxruntime may have:
//   plain  the operators an exporter emits; onnxruntime fuses what it can while loading
//   fused  what its offline transformer optimizer makes of them: MultiHeadAttention, SkipLayerNormalization, QuickGelu

const MINUS_INFINITY = -3.4e38;

/**
 * @typedef {'plain' | 'fused'} Form
 * @typedef {{ width: number, heads: number, form: Form, causal: boolean, sequence?: number }} Shape
 */

/** All blocks, then the closing LayerNorm over every token. */
export function transformer(g, x, { prefix, layers, closing, weights, ...shape }) {
  const norms = [];
  for (let layer = 0; layer < layers; layer++) {
    norms.push(`${prefix}.${layer}.ln_1`, `${prefix}.${layer}.ln_2`);
  }
  norms.push(closing);
  const mask = shape.causal && shape.form === 'plain' ? causalMask(g, x, shape) : undefined;

  let stream = x;
  let normal = g.layerNorm(stream, norm(weights, norms[0]));
  for (let layer = 0; layer < layers; layer++) {
    const name = `${prefix}.${layer}`;
    const attended = attention(g, normal, { ...shape, mask, name, weights });
    [stream, normal] = addAndNorm(g, stream, attended, norm(weights, norms[2 * layer + 1]), shape.form);
    const up = quickGelu(g, g.linear(normal, linear(weights, `${name}.mlp.c_fc`, 4 * shape.width, shape.width)), shape);
    const down = g.linear(up, linear(weights, `${name}.mlp.c_proj`, shape.width, 4 * shape.width));
    [stream, normal] = addAndNorm(g, stream, down, norm(weights, norms[2 * layer + 2]), shape.form);
  }
  return normal;
}

export function norm(weights, name) {
  return { weight: weights.get(`${name}.weight`), bias: weights.get(`${name}.bias`) };
}

function linear(weights, name, rows, columns) {
  return { weight: weights.get(`${name}.weight`), bias: weights.get(`${name}.bias`), rows, columns };
}

function addAndNorm(g, stream, change, { weight, bias }, form) {
  if (form === 'plain') {
    const sum = g.add(stream, change);
    return [sum, g.layerNorm(sum, { weight, bias })];
  }
  const width = weight.length;
  const inputs = [stream, change, g.floats([width], weight), g.floats([width], bias)];
  const [normal, , , sum] = g.nodes(
    'SkipLayerNormalization',
    inputs,
    4, // the second and third are statistics of training, the fourth is the sum
    { epsilon: { float: 1e-5 } },
    'com.microsoft',
  );
  return [sum, normal];
}

function quickGelu(g, x, { form }) {
  if (form !== 'plain') return g.contrib('QuickGelu', [x], { alpha: { float: 1.702 } });
  return g.node('Mul', [x, g.node('Sigmoid', [g.node('Mul', [x, g.scalar(1.702)])])]);
}

function attention(g, x, { width, heads, form, causal, mask, name, weights }) {
  const packed = {
    weight: weights.get(`${name}.attn.in_proj_weight`),
    bias: weights.get(`${name}.attn.in_proj_bias`),
    rows: 3 * width,
    columns: width,
  };
  const [q, k, v] = g.nodes('Split', [g.linear(x, packed), g.ints([width, width, width])], 3, { axis: -1 });
  const context =
    form === 'fused'
      ? g.contrib('MultiHeadAttention', [q, k, v], { num_heads: heads, unidirectional: causal ? 1 : 0 })
      : plainAttention(g, q, k, v, { width, heads, mask });
  return g.linear(context, linear(weights, `${name}.attn.out_proj`, width, width));
}

function plainAttention(g, q, k, v, { width, heads, mask }) {
  const size = width / heads;
  const split = g.ints([0, -1, heads, size]);
  const byHead = (value, perm) => g.node('Transpose', [g.node('Reshape', [value, split])], { perm });
  const scaled = g.node('Mul', [byHead(q, [0, 2, 1, 3]), g.scalar(size ** -0.5)]);
  let scores = g.node('MatMul', [scaled, byHead(k, [0, 2, 3, 1])]);
  if (mask) scores = g.add(scores, mask);
  const context = g.node('MatMul', [g.node('Softmax', [scores], { axis: -1 }), byHead(v, [0, 2, 1, 3])]);
  return g.node('Reshape', [g.node('Transpose', [context], { perm: [0, 2, 1, 3] }), g.ints([0, -1, width])]);
}

// An exporter keeps the mask for the whole context as a constant and cuts it to the sequence at hand.
function causalMask(g, x, { sequence }) {
  const full = new Float32Array(sequence * sequence);
  for (let row = 0; row < sequence; row++) full.fill(MINUS_INFINITY, row * sequence + row + 1, (row + 1) * sequence);
  const length = g.node('Slice', [g.node('Shape', [x]), g.ints([1]), g.ints([2])]);
  const ends = g.node('Concat', [length, length], { axis: 0 });
  return g.node('Slice', [g.floats([sequence, sequence], full), g.ints([0, 0]), ends, g.ints([0, 1])]);
}

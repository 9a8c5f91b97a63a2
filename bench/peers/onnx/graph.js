import { encodeModel, FLOAT, INT8, INT32, INT64, UINT8 } from './proto.js';

/**
 * A graph under construction. Every method adds one operator and returns the name of its result, so that a model reads
 * like its formula.
 *
 * `int8` says how `linear` is written: as onnxruntime's dynamic quantization writes it (activations u8 per tensor,
 * weights int8 per output channel), which its optimizer turns into DynamicQuantizeMatMul when the model is loaded.
 */
export class GraphBuilder {
  /** @param {string} name @param {{ int8?: boolean }} [options] */
  constructor(name, { int8 = false } = {}) {
    this.int8 = int8;
    this.graph = { name, nodes: [], tensors: [], inputs: [], outputs: [] };
    this.count = 0;
    /** @type {Map<string, string[]>} quantized activations, one triple (values, scale, zero point) an activation */
    this.quantized = new Map();
  }

  encode() {
    return encodeModel(this.graph);
  }

  input(name, type, dims) {
    this.graph.inputs.push({ name, type, dims });
    return name;
  }

  output(value, name, type, dims) {
    this.graph.nodes.push({ op: 'Identity', domain: '', inputs: [value], outputs: [name], attributes: {} });
    this.graph.outputs.push({ name, type, dims });
  }

  tensor(type, dims, data) {
    const name = `t${this.count++}`;
    this.graph.tensors.push({ name, type, dims, data });
    return name;
  }

  floats(dims, data) {
    return this.tensor(FLOAT, dims, data instanceof Float32Array ? data : new Float32Array(data));
  }

  ints(values) {
    return this.tensor(INT64, [values.length], new BigInt64Array(values.map(BigInt)));
  }

  scalar(value) {
    return this.floats([], [value]);
  }

  /** @returns {string[]} */
  nodes(op, inputs, outputCount, attributes = {}, domain = '') {
    const outputs = Array.from({ length: outputCount }, () => `v${this.count++}`);
    this.graph.nodes.push({ op, domain, inputs, outputs, attributes });
    return outputs;
  }

  node(op, inputs, attributes = {}, domain = '') {
    return this.nodes(op, inputs, 1, attributes, domain)[0];
  }

  contrib(op, inputs, attributes = {}) {
    return this.node(op, inputs, attributes, 'com.microsoft');
  }

  add(a, b) {
    return this.node('Add', [a, b]);
  }

  layerNorm(x, { weight, bias }, epsilon = 1e-5) {
    const width = weight.length;
    return this.node('LayerNormalization', [x, this.floats([width], weight), this.floats([width], bias)], {
      axis: -1,
      epsilon: { float: epsilon },
    });
  }

  /** x times the transposed weight, plus bias. `weight` is [rows][columns], row-major, as PyTorch's Linear keeps it. */
  linear(x, { weight, bias, rows, columns }) {
    const product = this.int8
      ? this.#quantizedMatMul(x, weight, rows, columns)
      : this.node('MatMul', [x, this.floats([columns, rows], transpose(weight, rows, columns))]);
    return bias ? this.add(product, this.floats([rows], bias)) : product;
  }

  #quantizedMatMul(x, weight, rows, columns) {
    if (!this.quantized.has(x)) this.quantized.set(x, this.nodes('DynamicQuantizeLinear', [x], 3));
    const [values, scale, zero] = /** @type {string[]} */ (this.quantized.get(x));
    const { data, scales } = quantizeRows(weight, rows, columns);
    const product = this.node('MatMulInteger', [
      values,
      this.tensor(INT8, [columns, rows], transpose(data, rows, columns)),
      zero,
      this.tensor(INT8, [rows], new Int8Array(rows)),
    ]);
    const real = this.node('Cast', [product], { to: FLOAT });
    return this.node('Mul', [real, this.node('Mul', [scale, this.floats([rows], scales)])]);
  }
}

/** Symmetric int8, one scale a row. */
export function quantizeRows(weight, rows, columns) {
  const data = new Int8Array(rows * columns);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const line = weight.subarray(row * columns, (row + 1) * columns);
    let peak = 0;
    for (const value of line) peak = Math.max(peak, Math.abs(value));
    const scale = peak / 127 || 1;
    scales[row] = scale;
    for (let i = 0; i < columns; i++) data[row * columns + i] = Math.round(line[i] / scale);
  }
  return { data, scales };
}

/** @template {Float32Array | Int8Array} T @param {T} source @returns {T} */
export function transpose(source, rows, columns) {
  const result = /** @type {T} */ (new /** @type {any} */ (source.constructor)(rows * columns));
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) result[column * rows + row] = source[row * columns + column];
  }
  return result;
}

export { FLOAT, INT8, INT32, INT64, UINT8 };

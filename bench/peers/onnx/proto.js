// The part of onnx.proto3 these graphs need, written field by field: the schema is stable and this is shorter than
// loading it. Field numbers are those of the ONNX specification (docs/IR.md).
import protobuf from 'protobufjs/minimal.js';

export const FLOAT = 1;
export const UINT8 = 2;
export const INT8 = 3;
export const INT32 = 6;
export const INT64 = 7;

const LENGTH_DELIMITED = 2;
const VARINT = 0;
const FIXED32 = 5;

/**
 * @typedef {{ name: string, type: number, dims: number[], data: ArrayBufferView }} Tensor
 * @typedef {{ name: string, type: number, dims: (number | string)[] }} Value
 * @typedef {{ op: string, domain: string, inputs: string[], outputs: string[], attributes: Record<string, unknown> }} Node
 * @typedef {{ name: string, nodes: Node[], tensors: Tensor[], inputs: Value[], outputs: Value[] }} Graph
 */

/** @param {Graph} graph @returns {Uint8Array} a ModelProto */
export function encodeModel(graph) {
  const writer = protobuf.Writer.create();
  int(writer, 1, 8); // ir_version
  string(writer, 2, 'edgeclip-peers');
  message(writer, 7, () => encodeGraph(writer, graph));
  for (const [domain, version] of [
    ['', 17],
    ['com.microsoft', 1],
  ]) {
    message(writer, 8, () => {
      string(writer, 1, String(domain));
      int(writer, 2, Number(version));
    });
  }
  return writer.finish();
}

function encodeGraph(writer, graph) {
  graph.nodes.forEach((node, index) => {
    message(writer, 1, () => encodeNode(writer, node, `${node.op}_${index}`));
  });
  string(writer, 2, graph.name);
  for (const tensor of graph.tensors) message(writer, 5, () => encodeTensor(writer, tensor));
  for (const value of graph.inputs) message(writer, 11, () => encodeValue(writer, value));
  for (const value of graph.outputs) message(writer, 12, () => encodeValue(writer, value));
}

function encodeNode(writer, node, name) {
  for (const input of node.inputs) string(writer, 1, input);
  for (const output of node.outputs) string(writer, 2, output);
  string(writer, 3, name);
  string(writer, 4, node.op);
  for (const [key, value] of Object.entries(node.attributes)) {
    message(writer, 5, () => encodeAttribute(writer, key, value));
  }
  if (node.domain) string(writer, 7, node.domain);
}

// A number is an INT, `{ float }` a FLOAT, a string a STRING, an array INTS: all that these operators take.
function encodeAttribute(writer, name, value) {
  string(writer, 1, name);
  if (typeof value === 'number') {
    int(writer, 3, value);
    int(writer, 20, 2);
  } else if (typeof value === 'string') {
    string(writer, 4, value);
    int(writer, 20, 3);
  } else if (Array.isArray(value)) {
    for (const item of value) int(writer, 8, item);
    int(writer, 20, 7);
  } else {
    writer.uint32((2 << 3) | FIXED32).float(value.float);
    int(writer, 20, 1);
  }
}

function encodeTensor(writer, tensor) {
  for (const dim of tensor.dims) int(writer, 1, dim);
  int(writer, 2, tensor.type);
  string(writer, 8, tensor.name);
  const { buffer, byteOffset, byteLength } = tensor.data;
  writer.uint32((9 << 3) | LENGTH_DELIMITED).bytes(new Uint8Array(buffer, byteOffset, byteLength));
}

function encodeValue(writer, value) {
  string(writer, 1, value.name);
  message(writer, 2, () =>
    message(writer, 1, () => {
      int(writer, 1, value.type);
      message(writer, 2, () => {
        for (const dim of value.dims) {
          message(writer, 1, () => (typeof dim === 'number' ? int(writer, 1, dim) : string(writer, 2, dim)));
        }
      });
    }),
  );
}

function message(writer, field, body) {
  writer.uint32((field << 3) | LENGTH_DELIMITED).fork();
  body();
  writer.ldelim();
}

function string(writer, field, value) {
  writer.uint32((field << 3) | LENGTH_DELIMITED).string(value);
}

function int(writer, field, value) {
  writer.uint32((field << 3) | VARINT).int64(value);
}

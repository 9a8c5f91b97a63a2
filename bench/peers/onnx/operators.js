import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs/minimal.js';

/**
 * How often each operator occurs in an ONNX file: shows what an optimizer fused.
 * @param {string | URL} path @returns {Record<string, number>}
 */
export function countOperators(path) {
  const counts = {};
  walk(readFileSync(path), (field, graph) => {
    if (field !== 7) return;
    walk(graph, (inner, node) => {
      if (inner !== 1) return;
      walk(node, (part, name) => {
        if (part !== 4) return;
        const op = new TextDecoder().decode(name);
        counts[op] = (counts[op] ?? 0) + 1;
      });
    });
  });
  return counts;
}

/** Calls back for each length-delimited field of a message and skips all others. */
function walk(bytes, visit) {
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if ((tag & 7) === 2) visit(tag >>> 3, reader.bytes());
    else reader.skipType(tag & 7);
  }
}

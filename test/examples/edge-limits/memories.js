// Counts the WebAssembly memories of this isolate: imported first, before any is made. Each time one is made or grows, what is no
// longer in use is collected (`--expose-gc`), and the others are added up: so a decoder's memory counts while it decodes.
const alive = new Set();
let most = 0;

function note(memory) {
  if (memory) alive.add(new WeakRef(memory));
  globalThis.gc?.();
  most = Math.max(most, memoryBytes());
}

const { Memory, Instance } = WebAssembly;
WebAssembly.Memory = new Proxy(Memory, {
  construct(target, args) {
    const memory = Reflect.construct(target, args);
    note(memory);
    return memory;
  },
});
WebAssembly.Instance = new Proxy(Instance, {
  construct(target, args) {
    const instance = Reflect.construct(target, args);
    for (const value of Object.values(instance.exports)) if (value instanceof Memory) note(value);
    return instance;
  },
});
const { grow } = Memory.prototype;
Memory.prototype.grow = function (pages) {
  const before = grow.call(this, pages);
  note();
  return before;
};

/** Bytes of all memories that are in use. */
function memoryBytes() {
  let bytes = 0;
  for (const memory of alive) bytes += memory.deref()?.buffer.byteLength ?? 0;
  return bytes;
}

/** The most bytes of memories that were in use at a time. */
export const mostMemoryBytes = () => most;

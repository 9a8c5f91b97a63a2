// Counts the WebAssembly memories of this isolate: imported first, before any is made. Those that were collected do not count.
const alive = new Set();
const note = (memory) => alive.add(new WeakRef(memory));

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

/** Bytes of all memories. */
export function memoryBytes() {
  let bytes = 0;
  for (const memory of alive) bytes += memory.deref()?.buffer.byteLength ?? 0;
  return bytes;
}

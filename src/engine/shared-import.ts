/**
 * One kernel binary serves both kinds of memory: a module that imports a shared memory differs in one byte, the limits'
 * flags of the memory import (threads proposal, "Spec Changes": 0x01 has a maximum, 0x03 has one and is shared).
 */
import { ClipError } from '../errors.ts';

const IMPORT_SECTION = 2;
const MEMORY = 2;
const HAS_MAXIMUM = 1;
const SHARED = 3;

/** A copy of a module's bytes that imports a shared memory. */
export function importSharedMemory(module: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(module);
  let at = 8; // behind magic and version
  const leb = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const section = bytes[at++];
    const size = leb();
    const end = at + size;
    if (section === IMPORT_SECTION) {
      for (let imports = leb(); imports > 0; imports--) {
        const moduleName = leb();
        at += moduleName;
        const field = leb();
        at += field;
        const kind = bytes[at++];
        if (kind === MEMORY) {
          if (bytes[at] !== HAS_MAXIMUM) break;
          bytes[at] = SHARED;
          return bytes;
        }
        leb(); // the function's type: the kernels import nothing else
      }
    }
    at = end;
  }
  throw new ClipError('UNSUPPORTED', 'the kernels import no memory with a maximum');
}

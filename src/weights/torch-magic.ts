/** Telling PyTorch's files by their first bytes, apart from reading them, which most models do not need. */

/** `0x1950a86a20f9469cfc6c` as pickle's protocol 2 writes it: the beginning of what torch.save wrote before 1.6. */
export const OLD_MAGIC = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e];

/** A zip archive's first local header. As the length of a safetensors header these bytes are too large. */
export const isZip = (head: Uint8Array) => head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4;

/** Whether a file is to be read as PyTorch's. */
export const isTorch = (head: Uint8Array) => isZip(head) || OLD_MAGIC.every((byte, i) => head[i] === byte);

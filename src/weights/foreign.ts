/**
 * What a file is that is neither safetensors nor PyTorch's. People pass what they have: a model of another framework, a web
 * page that came instead of a download, a pointer that git left. Each gets a sentence that says what to do.
 */

/** How many of the file's first bytes `describeForeign` can make use of. */
export const FOREIGN_BYTES = 4096;

/**
 * Says in a sentence (without the file's name and without a full stop) what the file is, judged by its first bytes, or
 * returns undefined if that is not known.
 */
export function describeForeign(head: Uint8Array): string | undefined {
  if (head.byteLength === 0) return 'is empty';
  const text = latin1(head);
  return describeDocument(text) ?? describePickle(head, text) ?? describeBinary(head, text);
}

/** Web pages, JSON, git-lfs pointers and plain messages. */
function describeDocument(text: string): string | undefined {
  const start = text.replace(BYTE_ORDER_MARK, '').trimStart();
  if (isWebPage(text)) {
    return `is a web page, not a model; the address or the login may be wrong: ${excerpt(start)}`;
  }
  if (start.startsWith('version https://git-lfs')) {
    return 'is a git-lfs pointer, not the model itself; fetch the file with "git lfs pull"';
  }
  if (/^[{[]/.test(start)) {
    return start.includes('"weight_map"')
      ? 'is the index of a model in several files, not the weights; pass the folder'
      : `is a JSON document, not a model: ${excerpt(start)}`;
  }
  return undefined;
}

/** PyTorch's own files do not come here (torch-magic.ts). Others pickle whole objects. */
function describePickle(head: Uint8Array, text: string): string | undefined {
  if (text.startsWith('PK\x03\x04')) return 'is a zip archive, not a safetensors file';
  if (head[0] !== 0x80 || head[1]! < 2 || head[1]! > 5) return undefined;
  return 'is a Python pickle, but not one of torch.save; save the state dict with safetensors.torch.save_file or torch.save';
}

function describeBinary(head: Uint8Array, text: string): string | undefined {
  if (/^(GGUF|ggml|ggjt|lmgg|tjgg)/.test(text))
    return 'is a GGUF/GGML file; pass the safetensors file of the same model';
  // An ONNX file is a protobuf message that begins with field 1, the version of its format, as a small number.
  if (head[0] === 0x08 && head[1] <= 0x20 && [0x12, 0x1a, 0x22, 0x3a, 0x42].includes(head[2])) {
    return 'is an ONNX file; pass the safetensors file of the same model';
  }
  if (text.startsWith('TFL3', 4)) return 'is a TensorFlow Lite file; pass the safetensors file of the same model';
  if (text.startsWith('\x89HDF')) return 'is an HDF5 file; pass the safetensors file of the same model';
  if (text.startsWith('\x93NUMPY')) return 'is a NumPy array; pass the safetensors file of the model';
  const packer = PACKERS.find(([magic]) => text.startsWith(magic))?.[1];
  if (packer !== undefined) return `is compressed with ${packer}; unpack it first`;
  const document = DOCUMENTS.find(([magic]) => magic.test(text))?.[1];
  if (document !== undefined) return `is ${document}, not a model`;
  if (head.every((byte) => byte === 0))
    return 'begins with zeros only, as an interrupted download does; fetch it again';
  // A server's "Not Found" or "Unauthorized" kept as a file.
  if (/^[\t\n\r\x20-\x7e]+$/.test(text)) return `is a text, not a model: ${excerpt(text)}`;
  return undefined;
}

const PACKERS: readonly (readonly [magic: string, name: string])[] = [
  ['\x1f\x8b', 'gzip'],
  ['BZh', 'bzip2'],
  ['\xfd7zXZ\0', 'xz'],
  ['\x28\xb5\x2f\xfd', 'zstd'],
  ['7z\xbc\xaf\x27\x1c', '7-Zip'],
];

/** What has another ending than it should, or came under a wrong name. */
const DOCUMENTS: readonly (readonly [magic: RegExp, name: string])[] = [
  [/^\x89PNG\r\n/, 'a PNG picture'],
  [/^\xff\xd8\xff/, 'a JPEG picture'],
  [/^GIF8[79]a/, 'a GIF picture'],
  [/^RIFF.{4}WEBP/s, 'a WebP picture'],
  [/^%PDF-/, 'a PDF document'],
  [/^.{257}ustar/s, 'a tar archive'],
];

/** UTF-8's, decoded or byte by byte. */
const BYTE_ORDER_MARK = /^(\ufeff|\u00ef\u00bb\u00bf)/;

/** Whether a text begins as HTML or XML does. */
export function isWebPage(text: string): boolean {
  return /^<(!doctype|html|head|body|\?xml|!--)/i.test(text.replace(BYTE_ORDER_MARK, '').trimStart());
}

/** The beginning of a text in quotes, on one line. */
function excerpt(text: string): string {
  const line = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return JSON.stringify(line.length > 120 ? `${line.slice(0, 117)}...` : line);
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

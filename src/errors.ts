/** What went wrong, in a word that code can branch on. The message says what was expected, what came, and where. */
export type ClipErrorCode =
  /** A weights file is damaged, of another format or layout version, or does not belong to the configuration. */
  | 'WEIGHTS_FORMAT'
  /** A weights file, shard, tower or tensor is missing. */
  | 'WEIGHTS_MISSING'
  /** A tensor has another shape than the configuration says. */
  | 'WEIGHTS_SHAPE'
  /** A tensor that is needed has an element type this package does not read. */
  | 'WEIGHTS_DTYPE'
  /** A weight is NaN, infinite or out of range. */
  | 'WEIGHTS_VALUE'
  /** A configuration or preprocessing file is missing, cannot be read, or asks for something that is not supported. */
  | 'CONFIG'
  /** `tokenizer.json` cannot be used, or the model has none. */
  | 'TOKENIZER'
  /** The bytes are not a picture of a known format, or are damaged, or need a feature that is not supported. */
  | 'IMAGE_FORMAT'
  /** The picture ends early. */
  | 'IMAGE_TRUNCATED'
  /** The picture exceeds `maxPixels` or `maxBytes`, or has a side longer than 65,535 pixels. */
  | 'IMAGE_TOO_LARGE'
  /** The picture's format is decoded by a package that is not installed, or that cannot be loaded here. */
  | 'IMAGE_DECODER'
  /** A template has no place for the label, or the list of templates is empty. */
  | 'TEMPLATE'
  /** A classifier file is damaged, of another version, or made with another model. */
  | 'CLASSIFIER_FORMAT'
  /** An index of vectors is damaged, or of another format or version. */
  | 'INDEX_FORMAT'
  /** An index holds vectors of another model, or of the same in another precision or with other options for pictures. */
  | 'INDEX_MODEL'
  /** The plan of a batch is damaged or of another version. */
  | 'PLAN_FORMAT'
  /** The output of a batch has parts of another model, version or options for pictures. */
  | 'BATCH_MODEL'
  /** The tower that the call needs was not loaded. */
  | 'TOWER_NOT_LOADED'
  /** The call came after `dispose`. */
  | 'DISPOSED'
  /** The runtime lacks something, e.g. WebAssembly SIMD, or memory for the model or a picture; or an option is reserved. */
  | 'UNSUPPORTED'
  /** A file or address cannot be read or written, or a decoder's file is missing. */
  | 'IO'
  /** A worker thread died; finished results are kept. */
  | 'WORKER';

/** Every error of this package that is not a plain argument error (those are `TypeError` and `RangeError`). */
export class ClipError extends Error {
  override readonly name = 'ClipError';
  readonly code: ClipErrorCode;

  constructor(code: ClipErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    // V8 formats a stack when it is first read, and until then keeps what the frames were called with: whole pictures.
    void this.stack;
  }
}

/** An error that is about one picture or text itself, with its position in the caller's list; others as they are. */
export function atPosition(what: string, i: number, error: unknown): unknown {
  const message = `${what} ${i}: ${(error as Error | undefined)?.message}`;
  if (error instanceof ClipError && !OF_THE_MODEL.has(error.code)) {
    return new ClipError(error.code, message, { cause: error });
  }
  if (error instanceof TypeError) return new TypeError(message, { cause: error });
  return error instanceof RangeError ? new RangeError(message, { cause: error }) : error;
}

/** Errors that every picture of a list would have. */
const OF_THE_MODEL: ReadonlySet<ClipErrorCode> = new Set(['DISPOSED', 'TOWER_NOT_LOADED', 'UNSUPPORTED']);

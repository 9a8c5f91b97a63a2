/** What went wrong, in a word that code can branch on. The message says what was expected, what came, and where. */
export type ClipErrorCode =
  /** A model file, its header or its configuration is not what the format allows. */
  | 'WEIGHTS_FORMAT'
  /** A tensor that the configuration needs is not in the file. */
  | 'WEIGHTS_MISSING'
  /** A tensor has another shape than the configuration says. */
  | 'WEIGHTS_SHAPE'
  /** A tensor that is needed has an element type this package does not read. */
  | 'WEIGHTS_DTYPE'
  /** A weight is NaN or infinite. */
  | 'WEIGHTS_VALUE'
  /** `config.json`, `open_clip_config.json` or a preprocessor file cannot be used. */
  | 'CONFIG'
  /** `tokenizer.json` cannot be used, or the model has none. */
  | 'TOKENIZER'
  /** The bytes are no image of a known format, or one with a feature that is not supported. */
  | 'IMAGE_FORMAT'
  /** The image ends early. */
  | 'IMAGE_TRUNCATED'
  /** The image is larger (in bytes or pixels) than the limits allow. */
  | 'IMAGE_TOO_LARGE'
  /** A template has no place for the label. */
  | 'TEMPLATE'
  /** A classifier file is damaged or belongs to another version. */
  | 'CLASSIFIER_FORMAT'
  /** The tower that the call needs was not loaded. */
  | 'TOWER_NOT_LOADED'
  /** The call came after `dispose`. */
  | 'DISPOSED'
  /** The runtime lacks something, e.g. WebAssembly SIMD. */
  | 'UNSUPPORTED'
  /** A file cannot be read or written. */
  | 'IO'
  /** A worker thread died. */
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

/** Requests that are refused, and errors in the form of OpenAI's API. */

/** Why a request is refused; the answer has this status. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;
  /** Which part of the request is at fault, e.g. `input.3`. */
  readonly param: string | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    {
      param,
      headers = {},
      cause,
    }: { param?: string | undefined; headers?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? {} : { cause });
    this.status = status;
    this.code = code;
    this.param = param;
    this.headers = headers;
  }
}

/** The body of an error: as OpenAI's clients read it. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

/** Statuses of the errors that the caller's input makes; others are ours. */
const STATUS: Readonly<Record<string, number>> = {
  IMAGE_FORMAT: 400,
  IMAGE_TRUNCATED: 400,
  IMAGE_TOO_LARGE: 413,
  IMAGE_DECODER: 415,
  TEMPLATE: 400,
  TOWER_NOT_LOADED: 400,
  TOKENIZER: 400,
};

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  429: 'rate_limit_error',
};

/** Any error as a refusal. What is not the caller's fault keeps its message to the log: the answer does not tell it. */
export function refusalOf(error: unknown, param?: string): Refusal {
  if (error instanceof Refusal) return error;
  const { name, code, message } = error as { name?: string; code?: unknown; message?: string };
  if (name === 'ClipError' && typeof code === 'string') {
    const status = STATUS[code];
    if (status !== undefined) return new Refusal(status, code, String(message), { param });
    if (code === 'WORKER' || code === 'DISPOSED') {
      const headers = { 'retry-after': '1' };
      return new Refusal(503, code, 'the model was lost while it computed this; it is being loaded again', { headers });
    }
    return new Refusal(500, code, 'the model failed; the log of the server says why');
  }
  return new Refusal(500, 'INTERNAL', 'the server failed; its log says why');
}

export function errorBody({ status, message, param, code }: Refusal): ErrorBody {
  const type = TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
  return { error: { message, type, param: param ?? null, code } };
}

/** Errors on their way between threads: class, code, message and causes arrive, which structured clones would lose. */

import { ClipError, type ClipErrorCode } from './errors.ts';

export interface SentError {
  /** The class: `ClipError`, `DOMException`, one of CLASSES; others become `Error`. */
  readonly type: string;
  readonly name: string;
  readonly message: string;
  readonly code?: string | undefined;
  readonly stack?: string | undefined;
  readonly cause?: SentError | undefined;
}

const CLASSES: Readonly<Record<string, ErrorConstructor>> = { TypeError, RangeError, SyntaxError, ReferenceError };

/** Causes beyond this are left out: a chain may lead back to itself. */
const CAUSES = 8;

export function sendError(error: unknown, causes = CAUSES): SentError {
  if (!isError(error)) return { type: 'Error', name: 'Error', message: String(error) };
  const { name, message, stack, cause, code } = error as Error & { code?: unknown };
  return {
    type: typeOf(error),
    name: String(name),
    message: String(message),
    code: typeof code === 'string' ? code : undefined, // ClipErrors, and those of a file system
    stack: stack === undefined ? undefined : String(stack),
    cause: cause === undefined || causes === 0 ? undefined : sendError(cause, causes - 1),
  };
}

export function receiveError(sent: SentError): Error {
  const error = made(sent);
  if (sent.stack !== undefined && sent.type !== 'DOMException') error.stack = sent.stack; // where it happened, in the worker
  return error;
}

function made({ type, name, message, code, cause }: SentError): Error {
  const options = cause && { cause: receiveError(cause) };
  if (type === 'ClipError') return new ClipError(code as ClipErrorCode, message, options);
  if (type === 'DOMException') return new DOMException(message, name);
  const error = new (CLASSES[type] ?? Error)(message, options);
  if (code !== undefined) Object.assign(error, { code });
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  return error;
}

function typeOf(error: Error): string {
  if (error instanceof ClipError) return 'ClipError';
  if ('DOMException' in globalThis && error instanceof DOMException) return 'DOMException';
  return Object.keys(CLASSES).find((name) => error instanceof CLASSES[name]!) ?? 'Error';
}

/** By its fields, as runtimes and test runners mix realms. */
function isError(error: unknown): error is Error {
  return typeof error === 'object' && error !== null && 'message' in error && 'name' in error;
}

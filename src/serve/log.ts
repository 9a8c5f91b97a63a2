/** One line of JSON for each request, and for what goes wrong. */
import { Refusal } from './refusal.ts';

export interface LogEntry {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly id?: string;
  readonly [field: string]: unknown;
}

export type Log = (entry: LogEntry) => void;

/** The id that a request brings, if it is a plain one; else a new one. */
export function requestId(request: Request): string {
  const given = request.headers.get('x-request-id');
  return given !== null && /^[\w.:-]{1,128}$/.test(given) ? given : crypto.randomUUID();
}

export interface ErrorFields {
  readonly error: string;
  readonly stack?: string | undefined;
  readonly cause?: ErrorFields;
}

/** Why a request was refused; with its stack if the fault is the server's own. */
export function errorFields(error: unknown): ErrorFields {
  if (error instanceof Refusal) {
    const fields = { error: `${error.code}: ${error.message}` };
    return error.cause === undefined ? fields : { ...fields, cause: errorFields(error.cause) };
  }
  if (!(error instanceof Error)) return { error: String(error) };
  const { name, message, stack } = error;
  return { error: `${name}: ${message}`, stack };
}

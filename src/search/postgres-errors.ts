/** What PostgreSQL and its connection fail with, as errors of this package. None of them has a password in it. */
import { ClipError } from '../errors.ts';

/** By SQLSTATE, or by what Node calls the error. */
const REASONS: Readonly<Record<string, string>> = {
  '28P01': 'the server refuses the user or the password (PGPASSWORD or ~/.pgpass may hold it)',
  '28000': 'the server does not let this user in from here',
  '42501': 'this user may not do that',
  '53100': "the server's disk is full",
  '53300': 'the server has no connection left',
  '57P01': 'the server was shut down',
  '57P02': 'the server crashed',
  '57P03': 'the server is starting or shutting down',
  ECONNREFUSED: 'no server answers there',
  ECONNRESET: 'the server ended the connection',
  EPIPE: 'the server ended the connection',
  ENOENT: 'there is no such socket',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'there is no such host, or no network',
  ETIMEDOUT: 'the server does not answer',
  EHOSTUNREACH: 'there is no way to that host',
};

/** Tables, columns or functions that are not there. */
const DAMAGED: ReadonlySet<string> = new Set(['3F000', '42P01', '42703', '42883', '42804', '42704']);

type Doing = 'open' | 'read' | 'write';

export function postgresError(name: string, doing: Doing, error: unknown): Error {
  if (error instanceof ClipError || error instanceof TypeError || error instanceof RangeError) return error;
  const cause = error instanceof AggregateError && error.errors[0] instanceof Error ? error.errors[0] : error;
  const { code = '', message } = cause as { code?: string; message: string };
  if (DAMAGED.has(code)) {
    return new ClipError('INDEX_FORMAT', `"${name}" is damaged: ${message}`, { cause });
  }
  return new ClipError('IO', `cannot ${doing} "${name}": ${reason(code, message)}`, { cause });
}

function reason(code: string, message: string): string {
  const known = REASONS[code];
  if (known !== undefined) return `${known}: ${message}`;
  if (/Query read timeout/.test(message)) return 'the server does not answer';
  if (/timeout/.test(message)) return 'the server does not answer: no connection in time';
  if (/Connection terminated|not queryable|Premature close/.test(message)) return 'the server ended the connection';
  return message;
}

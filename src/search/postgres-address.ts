/** `postgres://` addresses: which database, and which of its indexes. */
import { ClipError } from '../errors.ts';

export interface PostgresAddress {
  /** The address without what is ours: the package pg reads it. */
  readonly server: string;
  /** The schema of the index's tables. */
  readonly schema: string;
  /** How long a connection may take, in milliseconds: `connect_timeout` in seconds, as libpq has it, or ten seconds. */
  readonly patience: number;
  /** What messages call the index: the address without its password and parameters. */
  readonly name: string;
}

const POSTGRES = /^postgres(?:ql)?:\/\//i;

export const isPostgres = (address: string): boolean => POSTGRES.test(address);

/**
 * `?index=NAME` names one of several indexes in a database: it has the schema `edgeclip_NAME`; without it, `edgeclip`.
 * @throws ClipError IO for what is not such an address or name. Messages have no password
 */
export function postgresAddress(address: string): PostgresAddress {
  const { protocol, username, host, pathname, searchParams } = parse(address);
  const index = searchParams.get('index');
  const seconds = Number(searchParams.get('connect_timeout') ?? 10);
  for (const ours of ['index', 'connect_timeout']) searchParams.delete(ours);
  const user = username === '' ? '' : `${username}@`;
  const name = `${protocol}//${user}${host}${pathname}${index === null ? '' : `?index=${index}`}`;
  if (index !== null && !/^[a-z0-9_]{1,40}$/.test(index)) {
    throw new ClipError(
      'IO',
      `"${name}": an index is named by 1 to 40 of the characters a to z, 0 to 9 and _, got ${JSON.stringify(index)}`,
    );
  }
  const parameters = searchParams.toString().replaceAll('+', '%20');
  return {
    server: address.replace(/\?.*/, '') + (parameters === '' ? '' : `?${parameters}`),
    schema: index === null ? 'edgeclip' : `edgeclip_${index}`,
    patience: (seconds > 0 ? seconds : 10) * 1000,
    name,
  };
}

function parse(address: string): URL {
  // A user without a host, as libpq has it for a socket of this machine.
  const text = address.replace('@/', '@localhost/');
  // With an @ in it, this is the rest of a password.
  const isCut = /[?#].*@/.test(text);
  if (!isCut && URL.canParse(text)) return new URL(text);
  throw new ClipError(
    'IO',
    'not an address of PostgreSQL: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, where / ? # @ in a password are %2F %3F %23 %40',
  );
}

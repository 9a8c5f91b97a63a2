/**
 * Pictures by their addresses, in Node: only from hosts that are named, and never by a detour to a private address. An address
 * is checked where the connection is made, so that a name cannot be resolved to one thing for the check and to another for
 * the connection.
 */
import { type LookupAddress, lookup } from 'node:dns';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import type { FetchPicture } from './pictures.ts';
import { Refusal } from './refusal.ts';

const MAX_REDIRECTS = 3;
const TIMEOUT_MS = 10_000;

/** Networks that are not the public internet (IANA's special-purpose registries). */
const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE.addSubnet(network, prefix);
}
/** Of IPv6 only global unicast is public, without documentation, Teredo and 6to4, which lead to other addresses. */
const PUBLIC6 = new BlockList();
PUBLIC6.addSubnet('2000::', 3, 'ipv6');
const PRIVATE6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  PRIVATE6.addSubnet(network, prefix, 'ipv6');
}

/** Whether an IP address is outside the public internet. */
export function isPrivate(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return PRIVATE.check(mapped);
  if (isIP(address) === 4) return PRIVATE.check(address);
  return !PUBLIC6.check(address, 'ipv6') || PRIVATE6.check(address, 'ipv6');
}

/**
 * Fetches pictures from these hosts.
 * @param hosts names, `*.example.com` for all below one, `*` for any. A host that is named as it is may have a private
 *   address; what a pattern or a redirect leads to may not.
 */
export function allowHosts(hosts: readonly string[]): FetchPicture {
  const named = new Set(hosts.map((host) => host.toLowerCase()));
  const isAllowed = ({ hostname, host }: URL) =>
    named.has(hostname) ||
    named.has(host) ||
    named.has('*') ||
    hostname.split('.').some((_, i, parts) => named.has(`*.${parts.slice(i + 1).join('.')}`) && i + 1 < parts.length);
  const isNamed = ({ hostname, host }: URL) => named.has(hostname) || named.has(host);

  return async (address, signal, maxBytes) => {
    let url = parsed(address);
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      if (!isAllowed(url))
        throw refused(`the host ${url.hostname} is not among those that are allowed`, 'URL_NOT_ALLOWED');
      const mayBePrivate = hop === 0 && isNamed(url);
      const answer = await get(url, mayBePrivate, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]), maxBytes);
      if (answer instanceof Uint8Array) return answer;
      url = parsed(answer.location, url);
    }
    throw refused(`more than ${MAX_REDIRECTS} redirects`);
  };
}

function parsed(address: string, base?: URL): URL {
  let url: URL;
  try {
    url = new URL(address, base);
  } catch {
    throw refused('this is not an address');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused(`${url.protocol} is not fetched`);
  if (url.username !== '' || url.password !== '') throw refused('an address with a password is not fetched');
  return url;
}

/** The body of an answer, or where it redirects to. */
function get(
  url: URL,
  mayBePrivate: boolean,
  signal: AbortSignal,
  maxBytes: number,
): Promise<Uint8Array | { location: string }> {
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (!mayBePrivate && isIP(literal) !== 0 && isPrivate(literal)) throw refused(`${literal} is a private address`);
  const request = url.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      outgoing.destroy();
      const late = signal.aborted ? `no answer within ${TIMEOUT_MS / 1000} seconds` : (error as Error).message;
      reject(error instanceof Refusal ? error : refused(late));
    };
    const options = {
      signal,
      agent: false,
      headers: { accept: 'image/*', 'user-agent': 'edgeclip' },
      ...(!mayBePrivate && { lookup: publicLookup }),
    };
    const outgoing = request(url, options, (incoming) => {
      const { statusCode = 0, headers } = incoming;
      if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
        incoming.destroy();
        return resolve({ location: headers.location });
      }
      if (statusCode !== 200) return fail(refused(`its server answered with status ${statusCode}`));
      if (Number(headers['content-length']) > maxBytes) return fail(refused(`it has more than ${maxBytes} bytes`));
      const chunks: Buffer[] = [];
      let total = 0;
      incoming.on('data', (chunk: Buffer) => {
        total += chunk.length;
        if (total > maxBytes) return fail(refused(`it has more than ${maxBytes} bytes`));
        chunks.push(chunk);
      });
      incoming.on('end', () => resolve(new Uint8Array(Buffer.concat(chunks))));
      incoming.on('error', fail);
    });
    outgoing.on('error', fail);
    outgoing.end();
  });
}

/** Resolves names, but not to private addresses. */
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
    if (error) return callback(error, '', 0);
    const isBad = addresses.find(({ address }) => isPrivate(address));
    if (isBad) return callback(refused(`${hostname} has a private address`), '', 0);
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    callback(null, first!.address, first!.family);
  });
};

function refused(why: string, code = 'URL'): Refusal {
  return new Refusal(400, code, `the picture cannot be fetched: ${why}`);
}

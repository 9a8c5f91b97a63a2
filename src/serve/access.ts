/** Who may ask: the key of `--api-key`; without one, nobody by the name of another host. */
import { Refusal } from './refusal.ts';

/**
 * A page elsewhere can point its own host name at 127.0.0.1 (DNS rebinding) and then read answers as if they were its own: its
 * requests still bear that name.
 * @throws Refusal 403 if the request was not sent to this machine by a name of its own
 */
export function checkLocalName(request: Request): void {
  const { hostname } = new URL(request.url);
  if (/^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)) return;
  throw new Refusal(403, 'HOST', `this server answers to localhost and 127.0.0.1, not to ${JSON.stringify(hostname)}: set a key (--api-key) to be reached by other names`); // biome-ignore format: one line
}

/** Checks the key of requests; keys are compared by their digests, in a time that does not tell how much was right. */
export class ApiKey {
  readonly #digest: Promise<Uint8Array>;

  constructor(key: string) {
    this.#digest = digest(key);
  }

  /** @throws Refusal 401 */
  async check(request: Request): Promise<void> {
    const [, given] = /^Bearer +(\S+) *$/i.exec(request.headers.get('authorization') ?? '') ?? [];
    const key = given ?? request.headers.get('x-api-key') ?? undefined;
    const headers = { 'www-authenticate': 'Bearer' };
    if (key === undefined) {
      const message = 'this server needs a key: send the header Authorization: Bearer KEY';
      throw new Refusal(401, 'NO_KEY', message, { headers });
    }
    const [own, other] = await Promise.all([this.#digest, digest(key)]);
    let differs = 0;
    for (const [i, byte] of own.entries()) differs |= byte ^ other[i]!;
    if (differs !== 0) throw new Refusal(401, 'invalid_api_key', 'the key is not right', { headers });
  }
}

async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}

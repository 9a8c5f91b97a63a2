/** Who may ask: the key of `--api-key`. */
import { Refusal } from './refusal.ts';

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

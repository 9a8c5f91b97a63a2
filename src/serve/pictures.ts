/** Pictures in JSON: data URIs, plain base64, and addresses where they are allowed. */
import { decodeBase64 } from '../platform/base64.ts';
import { Refusal } from './refusal.ts';

/** Fetches a picture from an address. @throws Refusal if the host is not allowed or the picture cannot be had */
export type FetchPicture = (url: string, signal: AbortSignal, maxBytes: number) => Promise<Uint8Array>;

const DATA_URI = /^data:[^,]{0,200},/;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * The bytes of a picture as a request has it. What kind of picture it is, its bytes say: a media type is not looked at.
 * @param param where it stands in the request
 * @throws Refusal 400
 */
export async function pictureBytes(
  text: string,
  param: string,
  fetchUrl: (url: string) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (/^https?:\/\//i.test(text)) return fetchUrl(text);
  let base64 = text;
  if (/^data:/i.test(text)) {
    const head = DATA_URI.exec(text.slice(0, 300))?.[0];
    if (head === undefined || !/;base64,$/i.test(head)) {
      throw new Refusal(400, 'PICTURE', 'a data URI must be data:image/..;base64,..', { param });
    }
    base64 = text.slice(head.length);
  }
  return fromBase64(base64, param);
}

function fromBase64(text: string, param: string): Uint8Array {
  const what = 'a picture is a data URI (data:image/jpeg;base64,..), its bytes in base64, or an address';
  const clean = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
  if (clean.length === 0) throw new Refusal(400, 'PICTURE', `the picture is empty; ${what}`, { param });
  const digits = clean.replace(/=+$/, '').length;
  if (!BASE64.test(clean) || digits % 4 === 1) {
    throw new Refusal(400, 'PICTURE', `this is not base64; ${what}`, { param });
  }
  const plain = clean.slice(0, digits).replaceAll('-', '+').replaceAll('_', '/');
  return decodeBase64(plain.padEnd(4 * Math.ceil(digits / 4), '='));
}

/** Requests of the page, with the key if the server needs one. It is kept as long as the tab is open. */

const STORED = 'edgeclip-key';
let asked = () => {};

/** What to do when the server wants a key. */
export function keyAsked(callback: () => void): void {
  asked = callback;
}

export function useKey(key: string): void {
  sessionStorage.setItem(STORED, key);
}

/** @throws Error with the server's reason */
export async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const key = sessionStorage.getItem(STORED);
  const headers = new Headers(init.headers);
  if (key !== null) headers.set('authorization', `Bearer ${key}`);
  const answer = await fetch(path, { ...init, headers });
  if (answer.ok) return answer;
  if (answer.status === 401) asked();
  const body = (await answer.json().catch(() => undefined)) as { error?: { message?: string } } | undefined;
  throw new Error(body?.error?.message ?? `The server answered with status ${answer.status}.`);
}

export async function json<T>(path: string, body: object): Promise<T> {
  const headers = { 'content-type': 'application/json' };
  return (await ask(path, { method: 'POST', headers, body: JSON.stringify(body) })).json() as Promise<T>;
}

/** A picture of the server's as an address for an image: headers can go with it. To be revoked. */
export async function objectUrl(path: string): Promise<string> {
  return URL.createObjectURL(await (await ask(path)).blob());
}

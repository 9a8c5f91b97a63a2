/** Requests of all kinds, to be sent. */

export interface Sent {
  readonly path: string;
  readonly init: { readonly method: string; readonly body: BodyInit; readonly headers: Record<string, string> };
}

export const json = { 'content-type': 'application/json' };

export const post = (path: string, body: BodyInit, headers: Record<string, string> = {}): Sent => ({
  path,
  init: { method: 'POST', body, headers },
});

export const embed = (body: unknown): Sent => post('/v1/embeddings', JSON.stringify(body), json);

export function form(parts: Record<string, string | Blob>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(parts)) data.append(name, value);
  return data;
}

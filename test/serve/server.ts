/** A server of the sources in this process, and requests to it. */
import { readFileSync } from 'node:fs';
import type { Clip } from '../../src/clip.ts';
import { type App, createApp } from '../../src/serve/app.ts';
import { type Listener, listen } from '../../src/serve/listener.ts';
import type { LoadModel } from '../../src/serve/live-model.ts';
import type { LogEntry } from '../../src/serve/log.ts';
import type { ServeOptions } from '../../src/serve/serve-options.ts';

export const photoFile = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../golden/photos/${name}`, import.meta.url)));

export const dataUri = (bytes: Uint8Array, type = 'image/png'): string =>
  `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;

export interface Served {
  readonly app: App;
  readonly listener: Listener;
  readonly url: string;
  readonly log: LogEntry[];
  /** Posts JSON. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** Any request. */
  ask(path: string, init?: RequestInit): Promise<Answer>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: each test knows what it asked for
  readonly json: any;
}

export async function served(model: Clip | LoadModel, options: ServeOptions = {}, patience = 30_000): Promise<Served> {
  const log: LogEntry[] = [];
  const app = createApp(model, { log: (entry) => log.push(entry), names: ['default', 'ViT-B-32/openai'], ...options });
  await app.ready();
  const listener = await listen(app, { port: 0, host: '127.0.0.1', patience });
  const url = `http://127.0.0.1:${listener.port}`;
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json');
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  };
  return {
    app,
    listener,
    url,
    log,
    ask,
    post: (path, body, headers = {}) =>
      ask(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    close: () => listener.close(),
  };
}

/** f32 of a vector in base64. */
export const fromBase64 = (text: string): Float32Array => {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return new Float32Array(bytes.buffer);
};

/**
 * `POST /classify`: Hugging Face's zero-shot image classification. The picture comes in JSON, as a part of a form, or as the
 * whole body with the labels in the address.
 */
import { nineDigits } from '../float32.ts';
import { parseForm, parseJson } from './body.ts';
import { checked } from './checked.ts';
import { checkTower, classifierOf, type Exchange, fetcher, modelOf, placed, timed } from './exchange.ts';
import type { Parts } from './parts.ts';
import { pictureBytes } from './pictures.ts';
import { Refusal } from './refusal.ts';
import { classifyParameters, classifyRequest } from './schemas.ts';

/** A picture and what is asked about it. */
interface Question {
  readonly picture: Uint8Array;
  readonly labels: readonly string[];
  readonly template: string;
  readonly topK: number | undefined;
  readonly model: string | undefined;
}

/** Answers a body. @throws Refusal */
export async function classify(
  parts: Parts,
  exchange: Exchange,
  request: Request,
  body: Uint8Array,
): Promise<Response> {
  const question = await timed(parts, 'parse', () => read(parts, exchange, request, body));
  const clip = await modelOf(parts);
  parts.names().check(question.model);
  checkTower(clip, 'image', 'inputs');
  checkTower(clip, 'text', 'candidate_labels');
  const { picture, labels, template, topK } = question;
  const stop = new AbortController();
  const signal = AbortSignal.any([exchange.signal, stop.signal]);
  const [classifier, [embedded]] = await Promise.all([
    classifierOf(parts, clip, labels, template, signal),
    placed(parts.queue.pictures([picture], signal), () => 'inputs'),
  ]).catch((error) => {
    stop.abort();
    throw error;
  });
  const ranked = await timed(parts, 'rank', () =>
    classifier.classify(embedded!.embedding, topK === undefined ? {} : { topK: Math.min(topK, labels.length) }),
  );
  return Response.json(ranked.map(({ label, score }) => ({ score: nineDigits(score), label })));
}

async function read(parts: Parts, exchange: Exchange, request: Request, body: Uint8Array): Promise<Question> {
  const type = request.headers.get('content-type') ?? '';
  if (/^application\/json\b/i.test(type) || isJson(body)) return fromJson(parts, exchange, parseJson(body));
  if (/^multipart\/form-data\b/i.test(type)) return fromForm(await parseForm(body, type));
  const query = new URL(request.url).searchParams;
  if (body.length === 0) throw new Refusal(400, 'BODY', 'the body is empty: expected a picture, a form or JSON');
  return question(body, query, 'the address');
}

/** As `curl -d` sends it, with another type: no picture begins so. */
const isJson = (body: Uint8Array): boolean => /^\s*\{/.test(new TextDecoder().decode(body.subarray(0, 64)));

async function fromJson(parts: Parts, exchange: Exchange, body: unknown): Promise<Question> {
  const { inputs, parameters, model } = checked(classifyRequest, body);
  const text = typeof inputs === 'string' ? inputs : inputs.image;
  return {
    picture: await pictureBytes(text, 'inputs', fetcher(parts, exchange, 'inputs')),
    labels: parameters.candidate_labels,
    template: parameters.hypothesis_template,
    topK: parameters.top_k,
    model,
  };
}

async function fromForm(form: FormData): Promise<Question> {
  const picture = form.get('inputs') ?? form.get('image') ?? form.get('file');
  if (picture === null) throw new Refusal(400, 'REQUEST', 'inputs: the form has no such part', { param: 'inputs' });
  if (typeof picture === 'string') {
    throw new Refusal(400, 'REQUEST', 'inputs: expected a file, got a text', { param: 'inputs' });
  }
  return question(new Uint8Array(await picture.arrayBuffer()), form, 'the form');
}

/** Labels may be repeated fields, or one with commas. */
function question(picture: Uint8Array, fields: FormData | URLSearchParams, where: string): Question {
  const all = (name: string) => fields.getAll(name).filter((value) => typeof value === 'string') as string[];
  const [labels, template, topK, model] = ['candidate_labels', 'hypothesis_template', 'top_k', 'model'].map(all) as [
    string[],
    string[],
    string[],
    string[],
  ];
  if (labels.length === 0) {
    const message = `candidate_labels: ${where} has none`;
    throw new Refusal(400, 'REQUEST', message, { param: 'candidate_labels' });
  }
  const parameters = checked(classifyParameters, {
    candidate_labels: labels.length === 1 ? labels[0] : labels,
    ...(template[0] !== undefined && { hypothesis_template: template[0] }),
    ...(topK[0] !== undefined && { top_k: Number(topK[0]) }),
  });
  return {
    picture,
    labels: parameters.candidate_labels,
    template: parameters.hypothesis_template,
    topK: parameters.top_k,
    model: model[0],
  };
}

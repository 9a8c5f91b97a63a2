/** Requests checked against their schemas; what is wrong is said in one sentence, with its place. */
import type { z } from 'zod';
import { Refusal } from './refusal.ts';

/** @throws Refusal 400 with the first thing that is wrong */
export function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const { path, message } = deepest(error.issues[0]!);
  const param = path.length > 0 ? path.map(String).join('.') : undefined;
  throw new Refusal(400, 'REQUEST', param === undefined ? `the body: ${message}` : `${param}: ${message}`, { param });
}

type Issue = Pick<z.core.$ZodIssue, 'path' | 'message'>;

/** Of what may be one of several kinds, the fault of the kind that it almost is; of fields that are not known, the first. */
function deepest(issue: z.core.$ZodIssue): Issue {
  if (issue.code === 'unrecognized_keys') {
    return { path: [...issue.path, issue.keys[0]!], message: 'there is no such field' };
  }
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.flat().map((one) => deepest(one));
  const [best] = inner.filter(({ path }) => path.length > 0).sort((a, b) => b.path.length - a.path.length);
  return best ? { path: [...issue.path, ...best.path], message: best.message } : issue;
}

/**
 * Names of models on a hub: `org/name`, `org/name@revision`, `hf:` or `hf-hub:` or `hf://` before it, or the address of the
 * model's page. A bare `org/name` looks like a relative path too; callers with a file system ask it first.
 */
import { ClipError } from '../errors.ts';

export interface HubName {
  /** `org/name`. */
  readonly id: string;
  readonly revision: string;
  /** Whether it can be nothing else: it has a prefix, or it is the address of a page. */
  readonly certain: boolean;
}

const DEFAULT_REVISION = 'main';

/** `org/name`; the hub's rules are those of Python's huggingface_hub (utils/_validators.py, validate_repo_id). */
const ID = /^[A-Za-z0-9_][\w.-]{0,95}\/[A-Za-z0-9_][\w.-]{0,95}$/;
const PREFIX = /^(?:hf-hub:|hf:\/\/|hf:|https:\/\/(?:www\.)?(?:huggingface\.co|hf\.co)\/)/i;

/**
 * A model's name taken apart; undefined for what is none.
 * @param text without blanks around it
 * @throws ClipError CONFIG for a name with a prefix that only a hub's model can have, and which is none
 */
export function hubName(text: string): HubName | undefined {
  const prefix = PREFIX.exec(text)?.[0] ?? '';
  const page = /^https:/i.test(prefix);
  const [, name, at] = (page ? PAGE : REVISED).exec(text.slice(prefix.length)) ?? [];
  const certain = prefix !== '';
  if (name !== undefined && isId(name) && (at === undefined || isRevision(at))) {
    return { id: name, revision: at ?? DEFAULT_REVISION, certain };
  }
  if (!certain) return undefined;
  throw new ClipError('CONFIG', `${JSON.stringify(text)} is not the name of a model on a hub: expected org/name or org/name@revision`); // biome-ignore format: one line
}

/**
 * Refuses `org/name@` and what else has a name before the `@` and no revision after it. Callers with a file system ask it first.
 * @throws ClipError CONFIG
 */
export function refuseNoRevision(text: string): void {
  const [, name, at] = REVISED.exec(text) ?? [];
  if (name === undefined || at === undefined || !isId(name) || isRevision(at)) return;
  const what = at === '' ? 'nothing' : JSON.stringify(at);
  throw new ClipError('CONFIG', `there is no folder ${JSON.stringify(text)}, and as a model on a hub it has ${what} after the @: expected a branch, tag or commit, as in ${name}@main`); // biome-ignore format: one line
}

const REVISED = /^([^@]*)(?:@(.*))?$/s;
const PAGE = /^([^/]*\/[^/?#]*)(?:\/tree\/([^?#]*?))?\/?(?:[?#].*)?$/s;

function isId(name: string): boolean {
  return ID.test(name) && !/--|\.\.|[.-](?:\/|$)|\.git$/.test(name);
}

/** `openai:RN50`, as `hf:org/name`: OpenAI's own file by the name that `clip.load` takes, whatever the hub has. */
export const OPENAI_PREFIX = 'openai:';

export const isOpenaiName = (text: string): boolean => text.toLowerCase().startsWith(OPENAI_PREFIX);

/** A branch, tag, pull request (`refs/pr/1`) or commit. It becomes a path in the cache, so it must stay inside. */
export function isRevision(text: string): boolean {
  return text.length <= 250 && text.split('/').every((part) => /^[\w.+=-]+$/.test(part) && !/^\.+$/.test(part));
}

/** A commit in full: what it names never changes. */
export const isCommit = (revision: string): boolean => /^[0-9a-f]{40}$/.test(revision);

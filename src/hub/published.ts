/** OpenCLIP's two-part names (`ViT-B-32/laion2b_s34b_b79k`) and those of OpenAI's `clip.load` (`ViT-B/32`). */
import { ClipError } from '../errors.ts';
import { OPENAI_PREFIX } from './name.ts';
import { PUBLISHED, type PublishedModel, type PublishedTag } from './published-models.ts';

/** A file of weights at an address of its own, whose checksum is published. */
export interface PublishedFile {
  /** What messages call the model. */
  readonly model: string;
  readonly name: string;
  readonly url: string;
  /** Its SHA-256. */
  readonly id: string;
  /** What messages call the server. */
  readonly server: string;
}

/** A published model, one row of `edgeclip models`. */
export interface PublishedName extends PublishedTag {
  /** `MODEL/TAG`. */
  readonly name: string;
  readonly parameters: number | undefined;
  readonly unsupported: string | undefined;
}

/** The names of `clip.load` with a slash in them; the ResNets' have none and could be folders. */
const OPENAI_NAMES: Readonly<Record<string, string>> = {
  'ViT-B/32': 'ViT-B-32',
  'ViT-B/16': 'ViT-B-16',
  'ViT-L/14': 'ViT-L-14',
  'ViT-L/14@336px': 'ViT-L-14-336',
};

/**
 * OpenAI's file of a name with `openai:` before it.
 * @throws ClipError CONFIG for a model that OpenAI does not publish
 */
export function openaiFile(text: string): PublishedFile {
  const name = text.slice(OPENAI_PREFIX.length).trim();
  const model = Object.hasOwn(OPENAI_NAMES, name) ? OPENAI_NAMES[name]! : name;
  const tags = Object.hasOwn(PUBLISHED, model) ? PUBLISHED[model]!.tags : {};
  const file = Object.hasOwn(tags, 'openai') ? publishedFile(text, tags.openai!) : undefined;
  if (file) return file;
  const all = Object.keys(PUBLISHED).filter((one) => PUBLISHED[one]!.tags.openai?.file !== undefined);
  throw new ClipError('CONFIG', `OpenAI publishes no ${JSON.stringify(name)}, only ${all.join(', ')}`);
}

/** OpenAI's file of a published model; undefined if it has none. Its SHA-256 is a part of its address. */
export function publishedFile(model: string, { file }: Pick<PublishedTag, 'file'>): PublishedFile | undefined {
  const [, id, name] = /\/([0-9a-f]{64})\/([\w.-]+)$/.exec(file ?? '') ?? [];
  if (id === undefined) return undefined;
  return { model, name: name!, url: file!, id, server: new URL(file!).host };
}

/** All of them, in OpenCLIP's order. */
export function publishedModels(): PublishedName[] {
  return Object.entries(PUBLISHED).flatMap(([model, entry]) =>
    Object.keys(entry.tags).map((tag) => named(model, tag, entry)),
  );
}

/**
 * The published model of a name, as OpenCLIP reads it: tags in any case, `-` for `_`; undefined if it is not such a name.
 * @throws ClipError CONFIG for a tag that a model of OpenCLIP does not have
 */
export function publishedModel(text: string): PublishedName | undefined {
  const openai = Object.hasOwn(OPENAI_NAMES, text) ? OPENAI_NAMES[text]! : undefined;
  const [given = '', tagText, ...rest] = openai === undefined ? text.split('/') : [openai, 'openai'];
  const { model, entry, tags } = withTags(given);
  if (!entry || tagText === undefined || rest.length > 0) return undefined;
  const tag = tagText.toLowerCase().replaceAll('-', '_');
  if (tags.includes(tag)) return named(model, tag, entry);
  throw new ClipError('CONFIG', `OpenCLIP publishes no ${JSON.stringify(tagText)} of ${given}, only ${tags.join(', ') || 'none'}`); // biome-ignore format: one line
}

/** A model of OpenCLIP's, also with `-quickgelu` after its name, and the tags of that name: none if there is no such model. */
function withTags(name: string): { model: string; entry: PublishedModel | undefined; tags: string[] } {
  const quick = name.endsWith('-quickgelu');
  const model = quick ? name.slice(0, -'-quickgelu'.length) : name;
  const entry = Object.hasOwn(PUBLISHED, model) ? PUBLISHED[model]! : undefined;
  const tags = Object.entries(entry?.tags ?? {}).filter(([, { quickGelu }]) => !quick || quickGelu);
  return { model, entry, tags: tags.map(([tag]) => tag) };
}

/**
 * Refuses a model of OpenCLIP's without its tag, as `RN50`. Callers with a file system ask it first.
 * @throws ClipError CONFIG
 */
export function refuseUntagged(model: string): void {
  const names = withTags(model).tags.map((tag) => `${model}/${tag}`);
  if (names.length === 0) return;
  throw new ClipError('CONFIG', `there is no folder ${JSON.stringify(model)}, and OpenCLIP publishes it as ${names.join(', ')}`); // biome-ignore format: one line
}

/** Kinds of models of which no tower is built; of others (an image tower of timm's, say) the other tower loads alone. */
const REFUSED: readonly string[] = ['SigLIP', 'CoCa', 'audio'];

/**
 * Refuses a model of such a kind before anything is fetched: OpenCLIP's by their names and repositories, and Google's SigLIP.
 * @param text the name as it was given
 * @param id where it lies on the hub
 * @throws ClipError CONFIG
 */
export function refuseUnsupported(text: string, id: string): void {
  const lies = ({ tags }: PublishedModel) => Object.values(tags).some(({ repository }) => repository === id);
  const kind = /^google\/siglip/i.test(id) ? 'SigLIP' : Object.values(PUBLISHED).find(lies)?.unsupported;
  if (kind === undefined || !REFUSED.includes(kind)) return;
  throw new ClipError('CONFIG', `${JSON.stringify(text)}: ${kind} models are not supported`);
}

function named(model: string, tag: string, entry: PublishedModel): PublishedName {
  const { parameters, unsupported } = entry;
  return { name: `${model}/${tag}`, parameters, unsupported, ...entry.tags[tag]! };
}

/** A tokenizer as the text of a `tokenizer.json`, for a model that has none. */
import { ClipError } from '../errors.ts';
import type { ClipConfig } from '../model/config.ts';
import { WORD_PATTERN } from '../text/word-pattern.ts';
import type { ModelFiles } from './source.ts';

/** Tokens of OpenAI's vocabulary, which OpenCLIP's models have unless their configuration names another tokenizer. */
const OPENAI_TOKENS = 49_408;

/**
 * `vocab.json` with `merges.txt`, or BERT's `vocab.txt`, else OpenAI's vocabulary if the model has a text tower for it and
 * the files know where to get it; undefined if there is none of them.
 * @throws ClipError TOKENIZER if one of two files is missing, or OpenAI's cannot be fetched; IO
 */
export async function otherTokenizer(files: ModelFiles, { source, text }: ClipConfig): Promise<string | undefined> {
  const vocabulary = await files.text('vocab.json');
  if (vocabulary !== undefined) {
    const merges = await files.text('merges.txt');
    if (merges !== undefined) return joined(vocabulary, merges, await files.text('added_tokens.json'));
    throw new ClipError('TOKENIZER', `"${files.name}": there is a vocab.json, but no merges.txt`);
  }
  const lines = await files.text('vocab.txt');
  if (lines !== undefined) return wordPiece(lines, await files.text('tokenizer_config.json'));
  if (source !== 'openclip' || text?.vocabSize !== OPENAI_TOKENS || !files.openaiTokenizer) return undefined;
  try {
    return await files.openaiTokenizer();
  } catch (cause) {
    if (!(cause instanceof ClipError)) throw cause;
    throw new ClipError('TOKENIZER', `"${files.name}" has no tokenizer.json, and OpenAI's could not be fetched: ${cause.message}. Give it as loadClip(model, { tokenizer }), or --tokenizer FILE`, { cause }); // biome-ignore format: one line
  }
}

/**
 * The files of transformers' slow CLIPTokenizer as the fast one's: BPE over bytes with `</w>`, and CLIP's word pattern. The
 * vocabulary's text goes in as it is, and is checked with the whole (src/text/tokenizer-file.ts).
 */
function joined(vocabulary: string, merges: string, added: string | undefined): string {
  const [first = '', ...rest] = merges.split(/\r?\n/);
  const lines = first.startsWith('#version') ? rest : [first, ...rest];
  const plain = vocabulary.replace(/^\ufeff/, '');
  const tokens = ['<|startoftext|>', '<|endoftext|>'].flatMap((content) => {
    const id = new RegExp(`"${content.replaceAll('|', '\\|')}"\\s*:\\s*(\\d+)`).exec(plain)?.[1];
    return id === undefined ? [] : [{ id: Number(id), content, special: true }];
  });
  const more = Object.entries(parsed(added)).map(([content, id]) => ({
    id,
    content,
    special: false,
    normalized: false,
  }));
  const byId = more.sort((a, b) => Number(a.id) - Number(b.id)).filter(({ content }) => !tokens.some((one) => one.content === content)); // biome-ignore format: one line
  const preTokenizer = {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: WORD_PATTERN }, behavior: 'Removed', invert: true },
      { type: 'ByteLevel', add_prefix_space: false },
    ],
  };
  const pairs = lines.filter((line) => line.trim() !== '');
  return `{"added_tokens":${JSON.stringify([...tokens, ...byId])},"pre_tokenizer":${JSON.stringify(preTokenizer)},"model":{"type":"BPE","end_of_word_suffix":"</w>","merges":${JSON.stringify(pairs)},"vocab":${plain}}}`; // biome-ignore format: one line
}

/** BERT's `vocab.txt`, a token on each line, as transformers' fast tokenizer has it; `do_lower_case` is true by default. */
function wordPiece(text: string, settings: string | undefined): string {
  const tokens = text
    .replace(/\n$/, '')
    .split('\n')
    .map((token) => token.replace(/\r$/, ''));
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].filter((content) => tokens.includes(content));
  return JSON.stringify({
    added_tokens: special.map((content) => ({ id: tokens.indexOf(content), content, special: true })),
    normalizer: {
      type: 'BertNormalizer',
      lowercase: parsed(settings, 'tokenizer_config.json').do_lower_case !== false,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    model: { type: 'WordPiece', vocab: Object.fromEntries(tokens.map((token, id) => [token, id])) },
  });
}

/** A file of JSON, by default of ids by token. */
function parsed(text: string | undefined, name = 'added_tokens.json'): Record<string, unknown> {
  if (text === undefined) return {};
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new ClipError('TOKENIZER', `${name} is not JSON: ${(cause as Error).message}`, { cause });
  }
}

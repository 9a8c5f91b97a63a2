/** A tokenizer.json for the tiny models, whose text towers have 600 rows: bytes, and the first of CLIP's merges. */
import { readFileSync } from 'node:fs';

const published = JSON.parse(readFileSync(new URL('../golden/clip-tokenizer/tokenizer.json', import.meta.url), 'utf8'));

/** `size` tokens, of which the last two are BOS and EOT; then the added ones. */
export function tinyTokenizer(size: number, added: readonly string[] = []): object {
  const words = Object.entries<number>(published.model.vocab).filter(([, id]) => id < size - 2);
  const vocab = { ...Object.fromEntries(words), '<|startoftext|>': size - 2, '<|endoftext|>': size - 1 };
  const merges = published.model.merges.slice(0, size - 2 - 512);
  const added_tokens = added.map((content, i) => ({ id: size + i, content, normalized: true, special: false }));
  return { ...published, added_tokens, model: { ...published.model, vocab, merges } };
}

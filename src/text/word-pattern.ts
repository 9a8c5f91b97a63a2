/** The word pattern of CLIP's tokenizer (OpenAI's `simple_tokenizer.py`), as `tokenizer.json` has it. */
export const WORD_PATTERN =
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

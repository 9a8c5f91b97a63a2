// Writes models/labels.json: the ids of ImageNet's 1000 names in one template, BOS ... EOT, for the text tasks.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';

const golden = new URL('../../test/golden/', import.meta.url);
const models = new URL('models/', import.meta.url);
const tokenizer = new Tokenizer(JSON.parse(readFileSync(new URL('clip-tokenizer/tokenizer.json', golden), 'utf8')), {});
const names = readFileSync(new URL('imagenet.txt', golden), 'utf8').trim().split('\n');
const ids = names.map((name) => tokenizer.encode(`a photo of a ${name}.`).ids);
const longest = Math.max(...ids.map((row) => row.length));
const total = ids.reduce((sum, row) => sum + row.length, 0);
mkdirSync(models, { recursive: true });
writeFileSync(new URL('labels.json', models), JSON.stringify({ ids }));
console.log(`labels.json  ${ids.length} texts, ${total} tokens, longest ${longest}`);

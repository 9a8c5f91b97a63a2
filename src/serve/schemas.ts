/** What requests must look like. The OpenAPI description is made of the same schemas (openapi.ts). */
import { z } from 'zod';

/** Inputs of one request, as OpenAI allows them. */
export const MAX_INPUTS = 2048;
/** UTF-16 units of a text. A model reads 77 tokens or so; this bounds the work of splitting a text into them. */
export const MAX_TEXT = 32_768;
const MAX_LABELS = 10_000;
const MAX_LABEL = 1000;

const text = z.string().max(MAX_TEXT);

/** A picture as text: see pictures.ts. Its size is bounded by that of the body. */
const picture = z
  .string()
  .min(1)
  .describe('a data URI (data:image/jpeg;base64,..), the bytes in base64, or an address if the server allows its host');

const item = z.union(
  [z.string(), z.strictObject({ text }).describe('a text'), z.strictObject({ image: picture }).describe('a picture')],
  { error: 'expected a string, { "text": .. } or { "image": .. }' },
);

const encoding = z.enum(['float', 'base64', 'binary', 'ubinary']);

export const embeddingsRequest = z
  .strictObject({
    model: z.string().describe('a name of GET /v1/models').optional(),
    input: z
      .union([z.string(), z.strictObject({ text }), z.strictObject({ image: picture }), z.array(item)], {
        error:
          'expected a string, { "text": .. }, { "image": .. } or an array of them; token ids of other models mean nothing here',
      })
      .refine((input) => !Array.isArray(input) || input.length > 0, 'the array is empty')
      .refine((input) => !Array.isArray(input) || input.length <= MAX_INPUTS, `at most ${MAX_INPUTS} inputs`),
    modality: z
      .enum(['text', 'image'])
      .default('text')
      .describe('what the strings of "input" are (as in Infinity): texts, or pictures'),
    encoding_format: encoding
      .default('float')
      .describe('base64: little-endian f32; binary and ubinary: the signs, eight in a byte, as int8 and uint8'),
    embedding_type: encoding.describe('the same, as Jina names it').optional(),
    dimensions: z.int().positive().describe("must be the model's own: its vectors cannot be shortened").optional(),
    normalized: z.literal(true).describe('vectors have length 1').optional(),
    user: z.string().describe('is not used').optional(),
  })
  .meta({ id: 'EmbeddingsRequest' });

const numbers = z.array(z.number());

export const embeddingsResponse = z
  .object({
    object: z.literal('list'),
    model: z.string(),
    data: z.array(
      z.object({
        object: z.literal('embedding'),
        index: z.int(),
        embedding: z.union([numbers, z.string()]).describe('as "encoding_format" says'),
      }),
    ),
    usage: z.object({ prompt_tokens: z.int(), total_tokens: z.int() }),
  })
  .meta({ id: 'EmbeddingsResponse' });

const label = z.string().min(1).max(MAX_LABEL);
const labels = z
  .union([z.array(label), z.string()], { error: 'expected an array of labels, or a string with commas between them' })
  .transform((list) => (typeof list === 'string' ? list.split(',').map((one) => one.trim()) : list))
  .pipe(z.array(label).min(1).max(MAX_LABELS));

/** The default of Hugging Face's pipeline. */
export const HYPOTHESIS = 'This is a photo of {}.';

export const classifyParameters = z.strictObject({
  candidate_labels: labels,
  hypothesis_template: z.string().max(MAX_LABEL).default(HYPOTHESIS).describe('{} is where the label goes'),
  top_k: z.int().positive().describe('how many labels, best first; all by default').optional(),
});

export const classifyRequest = z
  .strictObject({
    inputs: z.union([picture, z.strictObject({ image: picture })]),
    parameters: classifyParameters,
    model: z.string().optional(),
  })
  .meta({ id: 'ClassifyRequest' });

export const classifyResponse = z
  .array(z.object({ label: z.string(), score: z.number().describe('softmax over all labels') }))
  .describe('best first')
  .meta({ id: 'ClassifyResponse' });

const date = z.union([z.iso.date(), z.iso.datetime()], { error: 'expected a day (2026-11-28) or a time (2026-11-28T12:00:00Z)' }); // biome-ignore format: one line

export const searchRequest = z
  .strictObject({
    text: text.min(1).describe('what the photos show').optional(),
    not: text.min(1).describe('what they do not show: half of its vector is subtracted').optional(),
    image: picture.optional(),
    photo: z.int().positive().describe('the id of a photo of the index: photos like it').optional(),
    top: z.int().min(1).max(1000).default(20),
    path: z.string().min(1).max(1000).describe('a part of the path, in any case').optional(),
    after: date.describe('changed on that day or later').optional(),
    before: date.describe('changed before that day').optional(),
    least: z.number().min(-1).max(1).default(-1).describe('the least similarity'),
    approximate: z
      .boolean()
      .default(false)
      .describe('an answer that may lack some of the best, where that is faster: in PostgreSQL'),
  })
  .meta({ id: 'SearchRequest' });

export const searchResponse = z
  .object({
    photos: z.array(
      z.object({
        id: z.int(),
        path: z.string(),
        size: z.int().nullable().describe('bytes; null of a photo of a batch that edgeclip index has not read'),
        modified: z.string().nullable().describe('null where size is'),
        similarity: z.number().describe('cosine with the query'),
      }),
    ),
  })
  .describe('best first')
  .meta({ id: 'SearchResponse' });

const immichModel = z.object({ modelName: z.string(), options: z.record(z.string(), z.unknown()).optional() });

/** The field `entries` of immich's form. Tasks that are not `clip` are refused by name. */
export const immichEntries = z.record(z.string(), z.record(z.string(), immichModel));

export const models = z
  .object({
    object: z.literal('list'),
    data: z.array(z.object({ id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string() })),
  })
  .meta({ id: 'Models' });

export const errorSchema = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable().describe('which part of the request is at fault'),
      code: z.string().describe('a code of ClipError, or one of the server'),
    }),
  })
  .meta({ id: 'Error' });

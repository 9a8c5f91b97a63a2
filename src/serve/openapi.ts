/** The server's description in OpenAPI 3.1, whose schemas are those that requests are checked with. */
import { z } from 'zod';
import {
  classifyRequest,
  classifyResponse,
  embeddingsRequest,
  embeddingsResponse,
  errorSchema,
  models,
  searchRequest,
  searchResponse,
} from './schemas.ts';

const REF = '#/components/schemas/';

export interface Operation {
  readonly summary: string;
  readonly description?: string;
  readonly requestBody?: { readonly required: boolean; readonly content: Readonly<Record<string, unknown>> };
  readonly responses: Readonly<Record<string, unknown>>;
}

export interface Description {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>>; readonly securitySchemes?: object };
  readonly security?: readonly object[];
}

const json = (name: string) => ({ 'application/json': { schema: { $ref: `${REF}${name}` } } });
const answer = (name: string, description: string) => ({ description, content: json(name) });
const text = (description: string) => ({ description, content: { 'text/plain': { schema: { type: 'string' } } } });
const refused = {
  '4XX': answer('Error', 'the request is refused; 429 has the header Retry-After'),
  '5XX': answer('Error', 'the server failed'),
};
const binary = { type: 'string', contentMediaType: 'application/octet-stream' };

/** @param version the package's, if it is known */
export function describeServer(version: string, hasKey: boolean): Description {
  const requests = schemas({ embeddingsRequest, classifyRequest, searchRequest }, 'input');
  const answers = schemas({ embeddingsResponse, classifyResponse, searchResponse, models, errorSchema }, 'output');
  return {
    openapi: '3.1.0',
    info: {
      title: 'edgeclip',
      version,
      description: 'CLIP on the CPU: vectors of pictures and texts, and zero-shot classification.',
    },
    paths: {
      '/v1/embeddings': {
        post: {
          summary: 'Vectors of texts and pictures',
          description:
            "As OpenAI's clients ask for them. Pictures come as Infinity (modality) or Jina (objects) has them.",
          requestBody: { required: true, content: json('EmbeddingsRequest') },
          responses: { 200: answer('EmbeddingsResponse', 'a vector for each input, in order'), ...refused },
        },
      },
      '/v1/models': { get: { summary: 'The model', responses: { 200: answer('Models', 'one model'), ...refused } } },
      '/classify': {
        post: {
          summary: 'Ranks labels for a picture',
          description:
            "Hugging Face's zero-shot image classification. Instead of JSON the body may be a form, or the picture itself " +
            'with candidate_labels and hypothesis_template in the address.',
          requestBody: {
            required: true,
            content: {
              ...json('ClassifyRequest'),
              'multipart/form-data': {
                schema: {
                  type: 'object',
                  required: ['inputs', 'candidate_labels'],
                  properties: {
                    inputs: binary,
                    candidate_labels: { type: 'array', items: { type: 'string' } },
                    hypothesis_template: { type: 'string' },
                    top_k: { type: 'integer', minimum: 1 },
                  },
                },
              },
              'image/*': { schema: binary },
            },
          },
          responses: { 200: answer('ClassifyResponse', 'labels, best first'), ...refused },
        },
      },
      '/predict': {
        post: {
          summary: "immich's machine-learning protocol",
          requestBody: {
            required: true,
            content: {
              'multipart/form-data': {
                schema: {
                  type: 'object',
                  required: ['entries'],
                  properties: { entries: { type: 'string' }, image: binary, text: { type: 'string' } },
                },
              },
            },
          },
          responses: { 200: { description: 'the vector as JSON in a string' }, ...refused },
        },
      },
      '/search': {
        post: {
          summary: 'Photos of the index',
          description: 'By words, a picture, another photo, or the sum of them. Needs an index (edgeclip serve --in).',
          requestBody: { required: true, content: json('SearchRequest') },
          responses: { 200: answer('SearchResponse', 'photos, best first'), ...refused },
        },
      },
      '/ping': { get: { summary: 'pong, for immich', responses: { 200: text('pong') } } },
      '/health': { get: { summary: 'Whether the process answers', responses: { 200: { description: 'it does' } } } },
      '/ready': {
        get: {
          summary: 'Whether work is taken',
          responses: {
            200: { description: 'it is' },
            503: answer('Error', 'the model is being loaded, or the server ends'),
          },
        },
      },
      '/metrics': {
        get: { summary: 'Measurements for Prometheus', responses: { 200: text('measurements'), ...refused } },
      },
    },
    components: {
      schemas: { ...requests, ...answers },
      ...(hasKey && { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } }),
    },
    ...(hasKey && { security: [{ key: [] }] }),
  };
}

/** Schemas by their ids, as JSON Schema. */
function schemas(all: Readonly<Record<string, z.ZodType>>, io: 'input' | 'output'): Record<string, unknown> {
  const named = Object.values(all).flatMap((schema) =>
    Object.entries(z.toJSONSchema(schema, { io, unrepresentable: 'any' }).$defs ?? {}),
  );
  return Object.fromEntries(named.map(([name, { id, ...schema }]) => [name, schema]));
}

/** `edgeclip serve`: the model as an HTTP service. */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { openPhotos } from '#search-platform';
import { emptyOption, positiveInteger, quote, UsageError } from './failure.ts';
import { withIndexedModel } from './indexed-model.ts';
import { splitList } from './labels.ts';
import { addMaxPixels, addModelOptions, type ModelOptions, sourceOptions } from './model.ts';
import { Progress } from './progress.ts';
import { endOnSignals } from './signals.ts';
import { packageVersion } from './version.ts';

interface ServeCommandOptions extends ModelOptions {
  readonly port: number;
  readonly host: string;
  readonly apiKey?: string;
  readonly cors?: string[];
  readonly allowUrls?: string[];
  readonly alias?: string[];
  readonly in?: string;
  readonly thumbnails?: string;
  readonly maxWait: number;
  readonly maxBody: number;
  readonly timeout: number;
}

const HELP = `
POST /v1/embeddings   vectors, as OpenAI's clients ask for them; pictures as Infinity and Jina send them
POST /classify        zero-shot image classification, as Hugging Face's API has it
POST /predict         immich's machine-learning protocol
POST /search          photos of the index (--in)
GET  /v1/models       the model's name
GET  /health, /ready  the process answers; the model is loaded
GET  /metrics         measurements for Prometheus; needs npm install prom-client
GET  /docs            the description of all of it; for programs /openapi.json
GET  /                the page for people: labels for a photo; with --in, search

The log is one line of JSON for each request, on standard output. SIGTERM and Ctrl-C finish what is begun; a second one
ends at once. Exit code: 0 after such an end; 1 if the model or the port cannot be had; 2 invalid command line.`;

const KEY_VARIABLE = 'EDGECLIP_API_KEY';

/** Addresses that only this machine reaches. */
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .summary('answer HTTP requests: embeddings, labels, photo search, a page')
    .description('Serves a model over HTTP, to the clients of other servers and to people.')
    .addOption(new Option('--port <n>', 'port; 0: any that is free').argParser(port).default(3000))
    .option('--in <index>', 'photo index to search, as edgeclip index made it; with a page for people at /')
    .option(
      '--thumbnails <dir>',
      'folder of the thumbnails that are made for the page (default: edgeclip/thumbnails in ~/.cache)',
    )
    .option('--host <address>', 'address to listen on; 0.0.0.0: all of them', '127.0.0.1')
    .option(
      '--api-key <key>',
      `key that requests must bring (default: the variable ${KEY_VARIABLE}; none: no key is needed)`,
    )
    .addOption(
      new Option('--cors <origins>', 'origins whose pages may read answers, with commas between; *: any').argParser(
        splitList,
      ),
    )
    .addOption(
      new Option(
        '--allow-urls <hosts>',
        'hosts that pictures are fetched from, with commas between; *.example.com, *',
      ).argParser(splitList),
    )
    .addOption(new Option('--alias <names>', 'further names of the model, with commas between').argParser(splitList))
    .addOption(
      new Option('--max-wait <seconds>', 'refuse requests (429) whose work would wait longer')
        .argParser(seconds('--max-wait'))
        .default(5),
    )
    .addOption(
      new Option('--max-body <bytes>', 'refuse requests (413) with a larger body')
        .argParser(positiveInteger('--max-body'))
        .default(33_554_432),
    )
    .addOption(
      new Option('--timeout <seconds>', 'how long a client may take to send a request, and to read the answer')
        .argParser(seconds('--timeout'))
        .default(30),
    );
  addMaxPixels(addModelOptions(command)).addHelpText('after', HELP).action(serve);
}

async function serve(given: ServeCommandOptions, command: Command): Promise<void> {
  const { maxPixels, maxWait, maxBody, timeout, host } = given;
  if (given.model === '') throw emptyOption('--model');
  if (host === '') throw emptyOption('--host');
  if (given.in === '') throw emptyOption('--in');
  if (given.thumbnails === '') throw emptyOption('--thumbnails');
  const apiKey = given.apiKey ?? process.env[KEY_VARIABLE];
  if (apiKey === '') throw emptyOption(given.apiKey === undefined ? KEY_VARIABLE : '--api-key');
  const progress = new Progress();
  const photos = given.in === undefined ? undefined : await openPhotos(given.in, { readOnly: true });
  const options = photos ? withIndexedModel(photos, given, command) : given;
  const { model, precision, threads, imageSize } = options;
  const source = await sourceOptions(model, options, progress);
  const [{ loadClip }, { createApp }, { listen }, { allowHosts }, { openSite, thumbnailFolder }] = await Promise.all([
    import('../worker/load.ts'),
    import('../serve/app.ts'),
    import('../serve/listener.ts'),
    import('../serve/remote-pictures.ts'),
    import('../serve/node-site.ts'),
  ]);
  const site = await openSite(options.thumbnails ?? thumbnailFolder());
  const log = (entry: object) =>
    process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
  // In a worker, so that requests are taken while the model computes, and so that its end is not the server's.
  const load = () =>
    loadClip({
      ...source,
      precision,
      threads,
      ...(model !== undefined && { model }),
      ...(maxPixels !== undefined && { maxPixels }),
      ...(imageSize !== undefined && { imageSize }),
    });
  const app = createApp(load, {
    maxWait,
    maxBody,
    bodyTimeout: timeout,
    version: packageVersion(),
    site,
    ...(photos && { photos }),
    log,
    ...(maxPixels !== undefined && { maxPixels }),
    ...(apiKey === undefined ? { localNames: LOOPBACK.test(host) } : { apiKey }),
    ...(options.cors && { cors: options.cors }),
    names: [modelName(model), ...(options.alias ?? [])],
    ...(options.allowUrls && { fetchPicture: allowHosts(options.allowUrls) }),
  });
  const listener = await listen(app, { port: options.port, host, patience: timeout * 1000 });
  const { asked } = endOnSignals();
  try {
    await Promise.race([app.ready(), asked]);
    progress.clear();
    log({ level: 'info', message: 'listening', host, port: listener.port });
    const signal = await asked;
    log({ level: 'info', message: 'ending', signal });
  } finally {
    progress.clear();
    await listener.close();
    await photos?.close();
  }
}

/** What clients call the model: a folder or file by its own name, without the path to it. */
function modelName(model: string | undefined): string {
  if (model === undefined) return 'edgeclip';
  return existsSync(model) ? basename(resolve(model)) : model;
}

function port(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 65_535) return value;
  throw new UsageError(`--port must be a whole number from 0 to 65535, got ${quote(text)}`);
}

/** A parser of positive numbers of seconds. */
function seconds(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value > 0 && value <= 86_400) return value;
    throw new UsageError(`${option} must be a number of seconds, above 0 and at most 86400, got ${quote(text)}`);
  };
}

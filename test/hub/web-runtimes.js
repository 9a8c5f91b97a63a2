/**
 * Models by name in Chromium, Firefox and workerd, each with its own Cache API: the cases of web-cases.js with a fake hub, which a
 * page reads from another origin (CORS), and whose files are at a third one.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadClip } from '../../src/load.ts';
import { readCheckpoint, readFolder, storeOf, utf8, writeCheckpoint } from '../api/checkpoint.ts';
import { open, serve as serveFolder } from '../browser/browser.js';
import { inside, node, packageVersion, run } from '../examples/runtime.js';
import { serve } from '../examples/server.js';
import { syntheticPicture } from '../model/golden.ts';
import { FakeHub } from './fake-hub.ts';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const path = (name) => fileURLToPath(new URL(name, import.meta.url));

/** tiny-vit with 49,408 tokens, whose embedding comes first: of four blocks, the image tower needs the first and the last. */
function largeModel() {
  const { 'open_clip_config.json': config, 'open_clip_model.safetensors': weights } = readFolder('tiny-vit');
  const json = JSON.parse(new TextDecoder().decode(config));
  const { vocab_size: tokens, width } = json.model_cfg.text_cfg;
  const { tensors, metadata } = readCheckpoint(weights);
  const embedding = tensors.find(({ name }) => name === 'token_embedding.weight');
  const data = new Uint8Array(Float32Array.from({ length: 49_408 * width }, (_, i) => (i % 101) / 1000).buffer);
  data.set(embedding.data.subarray(0, tokens * width * 4));
  const large = { ...embedding, shape: [49_408, width], data };
  json.model_cfg.text_cfg.vocab_size = 49_408;
  return {
    'open_clip_config.json': utf8(JSON.stringify(json)),
    'open_clip_model.safetensors': writeCheckpoint({
      tensors: [large, ...tensors.filter((tensor) => tensor !== embedding)],
      metadata,
    }),
  };
}

/** Tells a page what to do, and does to the hub what the page says. */
async function startControl(hub, setup) {
  const server = createServer(async (request, response) => {
    response.setHeader('access-control-allow-origin', '*');
    let body = '';
    for await (const piece of request) body += piece;
    if (request.url === '/setup') {
      response.end(JSON.stringify({ ...setup, control: address(server), hub: hub.address }));
    } else if (request.url === '/asked') {
      response.end(JSON.stringify(hub.asked.splice(0)));
    } else {
      const { page, ...fields } = JSON.parse(body, (_, value) => value ?? undefined);
      for (const name of Object.keys(JSON.parse(body))) Object.assign(hub, { [name]: fields[name] });
      const html = '<!doctype html><title>Welcome to the airport</title>';
      if (page !== undefined) hub.intercept = page ? ({ at, method }, one) => at === 'files' && method !== 'OPTIONS' && !!one.end(html) : undefined; // biome-ignore format: one line
      response.end();
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const address = (server) => `http://127.0.0.1:${server.address().port}/`;

/** test/hub/page.html of this folder's server, with dist/ beside it. */
const inBrowser = (command) => async (control) => {
  const server = await serveFolder(PROJECT);
  try {
    return await open(command, `${server.address}test/hub/page.html?control=${control}`, server);
  } finally {
    server.stop();
  }
};

async function inWorkerd(control) {
  const folder = mkdtempSync(join(tmpdir(), 'edgeclip-hub-workerd-'));
  try {
    const main = JSON.stringify(path('worker.js'));
    writeFileSync(join(folder, 'wrangler.toml'), `name = "hub"\nmain = ${main}\ncompatibility_date = "2026-01-01"\n`);
    await run(node, [inside('wrangler/bin/wrangler.js'), 'deploy', '--dry-run', '--outdir', 'out'], folder);
    const server = await serve(node, [path('../runtimes/workerd-server.js'), 'out'], folder);
    try {
      return await (await fetch(`${server.base}/?control=${control}`)).json();
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const version = (command) => execFileSync(command, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(); // biome-ignore format: one line

const RUNTIMES = {
  chromium: { run: inBrowser('chromium'), version: () => version('chromium') },
  firefox: { run: inBrowser('firefox-esr'), version: () => version('firefox-esr') },
  workerd: { run: inWorkerd, version: () => `workerd ${packageVersion('workerd')}` },
};

/** Runs the cases in each; returns how many failed. */
export async function tryWebRuntimes(isWanted) {
  const model = readFolder('tiny-vit');
  const large = largeModel();
  const ids = [
    [49_406, 5, 77, 49_407],
    [49_406, 598, 49_407],
  ];
  const { width, height, data } = syntheticPicture(80);
  const clip = await loadClip(storeOf(model), { towers: ['image'] });
  const text = await loadClip(storeOf(large), { towers: ['text'] });
  const wanted = {
    picture: { width, height, data: [...data] },
    expected: [...(await clip.encodeImage(syntheticPicture(80)))],
    weights: { length: model['open_clip_model.safetensors'].length },
    large: {
      ids,
      length: large['open_clip_model.safetensors'].length,
      vectors: (await text.encodeTokens(ids)).map((vector) => [...vector]),
    },
  };
  clip.dispose();
  text.dispose();
  let failed = 0;
  for (const name of Object.keys(RUNTIMES).filter(isWanted)) {
    const hub = await FakeHub.start();
    const models = { 'someone/tiny-vit': model, 'someone/large': large };
    const commits = Object.fromEntries(Object.entries(models).map(([id, files]) => [id, hub.publish(id, files)]));
    const control = await startControl(hub, { ...wanted, commits });
    try {
      const found = await RUNTIMES[name].run(address(control)).catch((error) => ({ 'to run it': `${error.stack ?? error}` })); // biome-ignore format: one line
      const wrong = Object.entries(found).filter(([, problem]) => problem !== '');
      for (const [test, problem] of wrong) console.log(`${name}: ${test}: ${problem}`);
      failed += wrong.length;
      console.log(`${name} (${RUNTIMES[name].version()}): ${Object.keys(found).length - wrong.length} of ${Object.keys(found).length} cases`); // biome-ignore format: one line
    } finally {
      control.closeAllConnections();
      control.close();
      await hub.stop();
    }
  }
  return failed;
}

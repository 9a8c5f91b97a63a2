// The cases of test/runtimes in this page; the results go back to run.js.
import * as edgeclip from 'edgeclip';
import { runCases } from '../runtimes/cases.js';

const read = async (name) => new Uint8Array(await (await fetch(`/test/golden/${name}`)).arrayBuffer());

/** What a page that is not isolated says of threads: it computes, on one. */
async function threads() {
  const clip = await edgeclip.loadClip(undefined, { towers: ['image'], threads: 2 });
  const { threads } = clip.info();
  clip.dispose();
  return threads;
}

/** What is said of a model that is not there. */
const missing = () => edgeclip.loadClip('/no/such/model').catch(({ code, message }) => ({ code, message }));

async function results() {
  if (!crossOriginIsolated) return { threads: await threads(), missing: await missing() };
  return { cases: await runCases(edgeclip, read) };
}

const body = JSON.stringify(await results().catch((error) => ({ error: `${error.stack ?? error}` })));
await fetch('/results', { method: 'POST', body });

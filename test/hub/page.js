// The cases (web-cases.js) in a page; posts what came out.
import * as edgeclip from '../../dist/browser/index.js';
import { results } from './web-cases.js';

const { control } = Object.fromEntries(new URL(location.href).searchParams);
const found = await (await fetch(`${control}setup`))
  .json()
  .then((setup) => results(edgeclip, setup))
  .catch((error) => ({ 'the page': `${error.stack ?? error}` }));
await fetch('/results', { method: 'POST', body: JSON.stringify(found) });

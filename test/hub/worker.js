// The cases (web-cases.js) in workerd; the request's address has that of the control.
import * as edgeclip from '../../dist/workerd/index.js';
import { results } from './web-cases.js';

export default {
  async fetch(request) {
    const control = new URL(request.url).searchParams.get('control');
    const setup = await (await fetch(`${control}setup`)).json();
    return Response.json(await results(edgeclip, setup));
  },
};

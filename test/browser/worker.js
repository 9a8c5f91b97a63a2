import { run } from './cases.js';

const { mode, only } = JSON.parse(self.name);
postMessage(await run(mode, only).catch((error) => ({ error: `${error.stack ?? error}` })));

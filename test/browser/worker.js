import { run } from './cases.js';

postMessage(await run(self.name).catch((error) => ({ error: `${error.stack ?? error}` })));

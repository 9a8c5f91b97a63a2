// The server in Cloudflare's workerd: wrangler bundles this.
import { loadClip } from 'edgeclip';
import { createApp } from 'edgeclip/serve';

const app = createApp(() => loadClip(), { names: ['default'], maxWait: 60 });
export default { fetch: app.fetch };

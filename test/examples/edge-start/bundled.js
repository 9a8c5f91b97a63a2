import { loadClip } from 'edgeclip/image';

const load = async () => Response.json((await loadClip()).config.embedDim);
addEventListener('fetch', (event) => event.respondWith(load()));

import { loadClip } from 'edgeclip/image';
import { answer } from './answer.js';

let loading;
const load = () => (loading ??= loadClip());

export default { fetch: (request) => answer(request, load) };

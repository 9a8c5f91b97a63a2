import { Classifier, loadClip } from 'edgeclip/image';
import labels from './classifier.bin';

let loading;
const load = () => (loading ??= loadClip().then((clip) => Classifier.fromBytes(labels, clip)));

export default { fetch: async (request) => Response.json(await (await load()).classify(request)) };

import { loadClip } from 'edgeclip';

export default {
  async fetch(request) {
    const classifier = await (await loadClip()).classifier(['dog', 'cat', 'rocket']);
    const [{ label }] = await classifier.classify(await request.arrayBuffer());
    return new Response(label);
  },
};

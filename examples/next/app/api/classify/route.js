import { fail, refuseMethod, withPicture } from '../service';

const LABELS = ['cat', 'dog', 'horse', 'bird', 'flower', 'car', 'bicycle', 'rocket', 'building', 'person', 'cup of coffee'];
const MAX_LABELS = 50;

export async function POST(request) {
  const { searchParams } = new URL(request.url);
  const top = Number(searchParams.get('top') ?? 5);
  if (!(Number.isInteger(top) && top > 0)) return fail(400, 'TOP', 'top must be a positive whole number');
  const given = [...new Set(searchParams.getAll('label').map((label) => label.trim()))].filter(Boolean);
  if (given.length > MAX_LABELS) return fail(400, 'LABELS', `there may be ${MAX_LABELS} labels, not ${given.length}`);
  const labels = given.length > 0 ? given : LABELS;
  return withPicture(request, async (embedding, clip) => {
    const classifier = await clip.classifier(labels, { templates: 'openai-7', signal: request.signal });
    return { labels: await classifier.classify(embedding, { topK: top }) };
  });
}

export { refuseMethod as DELETE, refuseMethod as GET, refuseMethod as PATCH, refuseMethod as PUT };

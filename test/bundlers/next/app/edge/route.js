// The same on the edge runtime, whose files have other forms.
import { GET } from '../classify/route.js';

export { GET };
export const runtime = 'edge';

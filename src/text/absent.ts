/**
 * Stands for the code of texts in the builds of `edgeclip/image` (scripts/build-js.js). None of it is reached there: the text
 * tower is not loaded, and its calls say so.
 */
import { ClipError } from '../errors.ts';

function absent(): never {
  throw new ClipError('TOWER_NOT_LOADED', 'edgeclip/image has no text tower: import edgeclip');
}

export const textTransformer = absent;
export const encodeRows = absent;
export const tokenizeAll = absent;
export const otherTokenizer = absent;
export const copyTokenIds = absent;
export const Tokenizer = { forTower: absent };
export const WordPiece = { forTower: absent };
export const Unigram = { forTower: absent };
export default '';

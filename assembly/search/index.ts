// The exported functions of the search module: the scan over int8 copies, and what a plain f32 scan needs beside it.
export { l2Normalize } from '../l2-normalize';
export { dotRows } from '../ranking';
export { quantizeQuery, quantizeVector, upperBounds } from './scan';

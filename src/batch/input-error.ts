/** The place of a batch's pictures cannot be opened on this machine, or is empty: each of its shards would fail alike. */
import { ClipError } from '../errors.ts';

export class InputError extends ClipError {}

/** A picture that cannot be had: its row has the reason. Other errors are of the place that holds it, and end the shard. */
import { ClipError } from '../errors.ts';

export class PictureError extends ClipError {}

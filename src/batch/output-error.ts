/** The place of a batch's plan and parts has no plan any more: a part that is written now would be lost. */
import { ClipError } from '../errors.ts';

export class OutputError extends ClipError {}

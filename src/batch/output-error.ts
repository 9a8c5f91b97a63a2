/** The place of a batch's plan and parts has no plan any more: a part that is written now would be lost. */
import { ClipError } from '../errors.ts';
import type { Storage } from './storage.ts';

export class OutputError extends ClipError {}

/** @param file of the plan */
export const planGone = ({ place }: Storage, file: string): OutputError =>
  new OutputError('PLAN_FORMAT', `${place}: ${file} is gone: is its disk mounted?`);

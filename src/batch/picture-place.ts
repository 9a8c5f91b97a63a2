/** Where the pictures of a plan are. */
import { join, resolve } from 'node:path';
import { isAddress } from '../search/photo-file.ts';
import type { PlanHead } from './plan.ts';
import { isBucket } from './storage.ts';

/** An absolute path, or an address. @param key the picture's in the plan */
export function picturePlace({ kind, input, base }: PlanHead, key: string): string {
  if (kind === 'list') return isAddress(key) ? key : resolve(base, key);
  return isBucket(input) ? `${input.replace(/\/$/, '')}/${key}` : join(input, key);
}

/** Options that can be given several times: the values in order. For `Option.argParser`. */
import { splitList } from './labels.ts';

export const repeated = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** Each value is a list with commas. */
export const repeatedList = (list: string, before: readonly string[] = []): string[] => [...before, ...splitList(list)];

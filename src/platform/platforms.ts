/** Every runtime's file, which the compiler checks here against the interface. Nothing imports this file. */
import type * as browser from './browser.ts';
import type * as node from './node.ts';
import type { Platform } from './platform.ts';

type Checked<P extends Platform> = P;

export type Platforms = readonly [Checked<typeof node>, Checked<typeof browser>];

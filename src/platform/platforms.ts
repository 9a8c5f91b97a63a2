/** Every runtime's file, which the compiler checks here against the interface. Nothing imports this file. */
import type * as browser from './browser.ts';
import type * as bundle from './bundle.ts';
import type * as core from './core.ts';
import type * as edgeLight from './edge-light.ts';
import type * as node from './node.ts';
import type { Platform } from './platform.ts';
import type * as workerd from './workerd.ts';

type Checked<P extends Platform> = P;

export type Platforms = readonly [
  Checked<typeof node>,
  Checked<typeof browser>,
  Checked<typeof workerd>,
  Checked<typeof edgeLight>,
  Checked<typeof bundle>,
  Checked<typeof core>,
];

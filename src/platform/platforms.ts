/** Every runtime's file, which the compiler checks here against the interface. Nothing imports this file. */
import type * as browser from './browser.ts';
import type * as bundle from './bundle.ts';
import type * as core from './core.ts';
import type * as edgeLight from './edge-light.ts';
import type * as node from './node.ts';
import type { Platform } from './platform.ts';
import type * as searchEdgeLight from './search-edge-light.ts';
import type * as searchNode from './search-node.ts';
import type { SearchPlatform } from './search-platform.ts';
import type * as searchWeb from './search-web.ts';
import type * as searchWorkerd from './search-workerd.ts';
import type * as thread from './thread.ts';
import type * as workerd from './workerd.ts';

type Checked<P extends Platform> = P;

export type Platforms = readonly [
  Checked<typeof node>,
  Checked<typeof browser>,
  Checked<typeof workerd>,
  Checked<typeof edgeLight>,
  Checked<typeof bundle>,
  Checked<typeof core>,
  Checked<typeof thread>,
];

type CheckedSearch<P extends SearchPlatform> = P;

export type SearchPlatforms = readonly [
  CheckedSearch<typeof searchNode>,
  CheckedSearch<typeof searchWeb>,
  CheckedSearch<typeof searchWorkerd>,
  CheckedSearch<typeof searchEdgeLight>,
];

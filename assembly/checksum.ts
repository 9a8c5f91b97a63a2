// XXH32 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), as in src/weights/checksum.ts. Four scalar chains
// hide the latency of the multiplications better than one vector of four lanes does.

import { XXH32_PRIME_1, XXH32_PRIME_2, XXH32_PRIME_3, XXH32_PRIME_4, XXH32_PRIME_5 } from '../src/engine/contract';

const PRIME1: u32 = XXH32_PRIME_1;
const PRIME2: u32 = XXH32_PRIME_2;
const PRIME3: u32 = XXH32_PRIME_3;
const PRIME4: u32 = XXH32_PRIME_4;
const PRIME5: u32 = XXH32_PRIME_5;

// @ts-expect-error: decorator
@inline
function round(state: u32, at: usize): u32 {
  return rotl<u32>(state + load<u32>(at) * PRIME2, 13) * PRIME1;
}

/** The check sum of `bytes` bytes at `at`, both multiples of 4, as u32 to `out`. */
export function xxh32(at: usize, bytes: i32, out: usize): void {
  assert((at & 3) == 0 && (bytes & 3) == 0);
  const end = at + <usize>bytes;
  let hash = PRIME5;
  if (bytes >= 16) {
    let a = PRIME1 + PRIME2;
    let b = PRIME2;
    let c: u32 = 0;
    let d = <u32>0 - PRIME1;
    const last = at + (<usize>bytes & ~15);
    while (at < last) {
      a = round(a, at);
      b = round(b, at + 4);
      c = round(c, at + 8);
      d = round(d, at + 12);
      at += 16;
    }
    hash = rotl<u32>(a, 1) + rotl<u32>(b, 7) + rotl<u32>(c, 12) + rotl<u32>(d, 18);
  }
  hash += <u32>bytes;
  while (at < end) {
    hash = rotl<u32>(hash + load<u32>(at) * PRIME3, 17) * PRIME4;
    at += 4;
  }
  hash = (hash ^ (hash >> 15)) * PRIME2;
  hash = (hash ^ (hash >> 13)) * PRIME3;
  store<u32>(out, hash ^ (hash >> 16));
}

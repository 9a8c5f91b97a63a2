import { expect, it } from 'vitest';
import { decodeBase64, decodeWithTable } from '../../src/platform/base64.ts';

it.each([decodeBase64, decodeWithTable])('bytes come back from base64 of every length', (decode) => {
  for (let length = 0; length < 70; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length * 37) & 255);
    expect(decode(Buffer.from(bytes).toString('base64'))).toEqual(bytes);
  }
  const all = Uint8Array.from({ length: 768 }, (_, i) => (i < 256 ? i : (i * 7919) >> 3) & 255);
  expect(decode(Buffer.from(all).toString('base64'))).toEqual(all);
});

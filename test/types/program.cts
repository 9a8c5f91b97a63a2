// What a consumer in CommonJS writes. Only compiled, never run.
import type { Clip } from 'edgeclip' with { 'resolution-mode': 'import' };

async function embed(bytes: Uint8Array): Promise<Float32Array> {
  const { loadClip } = await import('edgeclip');
  const clip: Clip = await loadClip({ towers: ['image'] });
  // @ts-expect-error a path is no picture
  await clip.encodeImage('a.jpg');
  return clip.encodeImage(bytes);
}

export = embed;

import { streamSource } from 'edgeclip/core';

/** A model's files in an R2 bucket, below a prefix: weights are streamed to their final place. */
export const bucketFiles = (bucket, prefix) => ({
  name: prefix,
  text: async (name) => (await bucket.get(prefix + name))?.text(),
  async source(name) {
    const object = await bucket.head(prefix + name);
    if (!object) return undefined;
    const open = async (offset) => (await bucket.get(prefix + name, { range: { offset } })).body;
    return streamSource(open, object.size, prefix + name);
  },
});

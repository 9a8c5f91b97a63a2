/** How often a stream was opened with a reader of each kind: `byob` fills buffers of ours, `default` gives chunks of its own. */
export const readers = { byob: 0, default: 0 };

const { getReader } = ReadableStream.prototype;
ReadableStream.prototype.getReader = function (options) {
  readers[options?.mode ?? 'default']++;
  return getReader.call(this, options);
};

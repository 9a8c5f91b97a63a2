/** The image decoders' files in the package: @jsquash's, copied by scripts/build-wasm.js. */
export const CODEC_FILES = { webp: 'webp.wasm' } as const;

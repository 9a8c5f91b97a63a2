// The exported functions of the pictures' module, from a file's bytes to the crop. Stateless as the kernels are: what a decoder
// remembers between two calls lies in memory, so an instance serves any number of pictures.
export { adler32, crc32, crcTables } from './checksums';
export { inflate, inflateStart } from './inflate';
export { clip16, everySecond, lookUp, scatter, unfilterRow, unpackBits } from './png';
export { buildHuffman } from './jpeg-huffman';
export { applyBlack, blendLines, convertYcc, copyBytes, doubleAcross, doubleBoth, repeatSamples } from './jpeg-rows';
export { blocksToPixels, decodeMcus } from './jpeg-scan';
export { smoothBlocks } from './jpeg-smoothing';
export { resampleColumns, resampleRows, splitRow } from './resample';

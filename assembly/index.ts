// The exported kernels. Stateless: pointers and sizes in, results in memory; each thread instantiates this module on one memory.
export { attention } from './attention';
export { copyBytes, listAll, zeroBorder, zeroBytes } from './blocks';
export { xxh32 } from './checksum';
export { depthwiseF32, depthwiseInt8 } from './depthwise';
export { embedF32, embedInt8 } from './embedding';
export { joinMaxima } from './epilogue';
export { gemmF32 } from './gemm-f32';
export { gemmInt8 } from './gemm-int8';
export { l2Normalize } from './l2-normalize';
export { layerNorm, layerNormPack, layerNormQuantize } from './layer-norm';
export { mapFunction } from './math';
export { packRows, quantizeRows } from './packed-rows';
export { subtractZeroPoints, gatherF32, gatherInt8 } from './patches';
export { addFloats, averagePool, meanRows } from './pooling';
export { dotRows, softmax } from './ranking';
export { strassenRows } from './strassen';
export { windowsF32, windowsInt8 } from './windows';

// The exported kernels. Stateless: pointers and sizes in, results in memory; each thread instantiates this module on one memory.
export * from './l2-normalize';

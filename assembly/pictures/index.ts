// The exported functions of the pictures' module, from a file's bytes to the crop. Stateless as the kernels are: what a decoder
// remembers between two calls lies in memory, so an instance serves any number of pictures.
export { resampleColumns, resampleRows, splitRow } from './resample';

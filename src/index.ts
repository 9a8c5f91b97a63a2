export { ClipError, type ClipErrorCode } from './errors.ts';

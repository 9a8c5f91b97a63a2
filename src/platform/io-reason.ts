/** Messages for error codes of the file system. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ELOOP: 'its symbolic links form a loop',
  EROFS: 'the file system is read-only',
  EFBIG: 'the file would be larger than is allowed',
  EDQUOT: 'the quota of disk space is used up',
  ENOSPC: 'no space is left on the device',
  ENAMETOOLONG: 'the name is too long',
  ERR_INVALID_ARG_VALUE: 'the name has a NUL character',
};

/** A readable reason for an error of `node:fs`. */
export function ioReason(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}

/** A picture of a shard, and which files count as pictures. */

/** A picture whose bytes are on their way. */
export interface ShardPicture {
  readonly key: string;
  /** @throws ClipError about the picture itself; anything else is a failure of what holds it */
  bytes(): Promise<Uint8Array>;
}

/** By the ending of its name: beside pictures are captions and records, as in WebDataset's tars. */
export const isPictureMember = (name: string): boolean =>
  /\.(jpe?g|png|webp|avif|heic|heif|hif)$/i.test(name) && !/(^|\/)\._/.test(name);

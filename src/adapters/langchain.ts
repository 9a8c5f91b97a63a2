/** `edgeclip/langchain`: a model as LangChain's `Embeddings`, for texts and for pictures. */
import '../global-names.ts';
import type { Clip } from '../clip.ts';
import type { ImageInput } from '../image/input.ts';

/** What the adapter needs of a model. `Clip` has it. */
export type EmbeddingsModel = Pick<Clip, 'encodeText' | 'encodeImage'>;

/**
 * LangChain's `EmbeddingsInterface` (`@langchain/core`, not needed here): give it to a vector store. Pictures and texts are in
 * one space, so a store of pictures' vectors is searched by texts. Vectors have length 1.
 * @example
 * import { ClipEmbeddings } from 'edgeclip/langchain';
 * const embeddings = new ClipEmbeddings(clip);
 * const query = await embeddings.embedQuery('a photo of a cat');
 * const pictures = await embeddings.embedImages([await readFile('examples/cat.png')]);
 * pictures[0].length === query.length; // true
 */
export class ClipEmbeddings {
  readonly #clip: EmbeddingsModel;

  constructor(clip: EmbeddingsModel) {
    if (typeof clip?.encodeText !== 'function') {
      throw new TypeError('new ClipEmbeddings: expected a model: new ClipEmbeddings(await loadClip())');
    }
    this.#clip = clip;
  }

  /** A vector for each text, in order. @throws as `Clip.encodeText` */
  async embedDocuments(documents: string[]): Promise<number[][]> {
    return (await this.#clip.encodeText(documents)).map((embedding) => Array.from(embedding));
  }

  /** The vector of a text. @throws as `Clip.encodeText` */
  async embedQuery(document: string): Promise<number[]> {
    return Array.from(await this.#clip.encodeText(document));
  }

  /** A vector for each picture, in order: for `addVectors` of a store. @throws as `Clip.encodeImage` */
  async embedImages(images: readonly ImageInput[]): Promise<number[][]> {
    return (await this.#clip.encodeImage(images)).map((embedding) => Array.from(embedding));
  }

  /** The vector of a picture: for `similaritySearchVectorWithScore`. @throws as `Clip.encodeImage` */
  async embedImageQuery(image: ImageInput): Promise<number[]> {
    return Array.from(await this.#clip.encodeImage(image));
  }
}

/** How a JPEG's components lie: blocks, sizes, upsampling and colors, as libjpeg decides them. */
import { damaged, type FrameHeader } from './jpeg-segments.ts';

/** How a component's lines become those of the picture (jdsample.c). `fancy` methods filter between samples. */
export type Upsampling = 'none' | 'repeat' | 'fancy-across' | 'fancy-down' | 'fancy-both';

export interface Component {
  readonly id: number;
  /** Which quantization table. */
  readonly table: number;
  /** Sampling factors: blocks of an MCU. */
  readonly across: number;
  readonly down: number;
  /** The factor that the file states, where one component alone is taken as 1 x 1. */
  readonly statedDown: number;
  /** Blocks that the picture needs, and those that are stored: whole MCUs. */
  readonly blocksAcross: number;
  readonly blocksDown: number;
  readonly storedAcross: number;
  readonly storedDown: number;
  /** Side of a block in samples: 8, or less for a picture that is reduced. */
  readonly side: number;
  /** Size in samples. */
  readonly width: number;
  readonly height: number;
  readonly upsampling: Upsampling;
  /** Samples become so many pixels. */
  readonly timesAcross: number;
  readonly timesDown: number;
  /** Lines of samples in a group. */
  readonly groupLines: number;
}

/** What the components are: `ycck` and `cmyk` have a fourth one, black. */
export type Colors = 'gray' | 'rgb' | 'ycc' | 'cmyk' | 'ycck';

export interface Frame {
  /** Size of the picture in pixels, reduced if it is to be. */
  readonly width: number;
  readonly height: number;
  readonly components: readonly Component[];
  readonly mcusAcross: number;
  readonly mcusDown: number;
  /** Pixels of an MCU. */
  readonly mcuWidth: number;
  /** An MCU's lines come in groups: as many lines of pixels as the largest sampling factor, from one or more of each component. */
  readonly groups: number;
  readonly groupRows: number;
  /** Whether a line of pixels needs samples of the groups above and below. */
  readonly context: boolean;
}

/**
 * The geometry of libjpeg (jdinput.c, initial_setup; jdmaster.c, jpeg_calc_output_dimensions; jdsample.c, jinit_upsampler).
 * @param side of a block in pixels: 8, or 4, 2 or 1 for a picture of 1/2, 1/4 or 1/8
 * @throws ClipError IMAGE_FORMAT for sampling factors that libjpeg does not take
 */
export function planFrame(header: FrameHeader, side: number): Frame {
  // One component is never sampled down.
  const stated = header.components.map((c) => ({ ...c, statedDown: c.down }));
  const declared = stated.length === 1 ? [{ ...stated[0]!, across: 1, down: 1 }] : stated;
  const across = Math.max(...declared.map((c) => c.across));
  const down = Math.max(...declared.map((c) => c.down));
  const mcusAcross = Math.ceil(header.width / (8 * across));
  const mcusDown = Math.ceil(header.height / (8 * down));
  let context = false;
  const components = declared.map((c) => {
    // Components that are sampled down stay larger instead of being enlarged again.
    let own = side;
    while (own < 8 && (across * side) % (c.across * own * 2) === 0 && (down * side) % (c.down * own * 2) === 0)
      own *= 2;
    const width = Math.ceil((header.width * c.across * own) / (8 * across));
    const blocksDown = Math.ceil((header.height * c.down) / (8 * down));
    const inAcross = (c.across * own) / side;
    const inDown = (c.down * own) / side;
    const upsampling = method(across / inAcross, down / inDown, side > 1, width);
    if (upsampling === 'fancy-down' || upsampling === 'fancy-both') context = true;
    return {
      ...c,
      blocksAcross: Math.ceil((header.width * c.across) / (8 * across)),
      blocksDown,
      storedAcross: mcusAcross * c.across,
      storedDown: Math.ceil(blocksDown / c.statedDown) * c.statedDown,
      side: own,
      width,
      height: Math.ceil((header.height * c.down * own) / (8 * down)),
      upsampling,
      timesAcross: across / inAcross,
      timesDown: down / inDown,
      groupLines: inDown,
    };
  });
  return {
    width: Math.ceil((header.width * side) / 8),
    height: Math.ceil((header.height * side) / 8),
    components,
    mcusAcross,
    mcusDown,
    mcuWidth: across * side,
    groups: side,
    groupRows: down,
    context,
  };
}

function method(across: number, down: number, fancy: boolean, width: number): Upsampling {
  if (across === 1 && down === 1) return 'none';
  if (across === 2 && down === 1) return fancy && width > 2 ? 'fancy-across' : 'repeat';
  if (across === 1 && down === 2 && fancy) return 'fancy-down';
  if (across === 2 && down === 2) return fancy && width > 2 ? 'fancy-both' : 'repeat';
  if (Number.isInteger(across) && Number.isInteger(down)) return 'repeat';
  throw damaged(`sampling factors with a ratio of ${across} x ${down}, which is not whole`);
}

/** What the components are (jdapimin.c, default_decompress_parms). */
export function colorsOf(header: FrameHeader, jfif: boolean, adobe: number | undefined): Colors {
  const ids = header.components.map(({ id }) => id);
  if (ids.length === 1) return 'gray';
  if (ids.length === 4) return adobe === undefined || adobe === 0 ? 'cmyk' : 'ycck';
  if (jfif) return 'ycc';
  if (adobe !== undefined) return adobe === 0 ? 'rgb' : 'ycc';
  return String.fromCharCode(...ids) === 'RGB' ? 'rgb' : 'ycc';
}

/** The side of a block for a picture of a short edge of about `target` pixels: as Pillow's `Image.draft` picks it. */
export function reducedSide(header: FrameHeader, target: number): number {
  const scale = Math.min(Math.floor(header.width / target), Math.floor(header.height / target));
  return scale >= 8 ? 1 : scale >= 4 ? 2 : scale >= 2 ? 4 : 8;
}

export function largePhoto(): Promise<(name: string) => string>;
export function largePhotoBytes(name: 'baseline.jpg' | 'progressive.jpg' | 'photo.png'): Promise<Uint8Array>;
export function encodeJpeg(
  picture: { readonly data: Uint8Array | Uint8ClampedArray; readonly width: number; readonly height: number },
  options: { readonly quality: number; readonly halved: boolean; readonly progressive?: boolean },
): Promise<Uint8Array>;

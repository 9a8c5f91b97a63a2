export function largePhoto(): Promise<(name: string) => string>;
export function largePhotoBytes(name: 'baseline.jpg' | 'progressive.jpg' | 'photo.png'): Promise<Uint8Array>;

export function machine(): Readonly<
  Record<'date' | 'cpu' | 'platform' | 'node' | 'v8' | 'version' | 'commit', string>
> & {
  readonly processors: number;
};
export function commit(root: URL | string): string | undefined;

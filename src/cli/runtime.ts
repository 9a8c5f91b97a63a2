/** Detects the JavaScript runtime. */

/** Version numbers by name, the runtime's first. */
export type RuntimeVersions = Readonly<Record<string, string>>;

interface Globals {
  readonly Deno?: { readonly version: { readonly deno: string; readonly v8: string } };
  readonly Bun?: { readonly version: string };
}

/** In Deno and Bun, `process.versions.node` is only the Node version they are compatible with. */
export function runtimeVersions(globals: Globals = globalThis as Globals): { name: string; versions: RuntimeVersions } {
  const { Deno, Bun } = globals;
  const { versions } = process;
  if (Deno) return { name: 'Deno', versions: { deno: Deno.version.deno, v8: Deno.version.v8 } };
  if (Bun) return { name: 'Bun', versions: { bun: Bun.version } };
  return { name: 'Node', versions: { node: versions.node, v8: versions.v8 } };
}

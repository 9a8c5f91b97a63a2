import { defineConfig } from 'vitest/config';

// The tests run the sources; the kernels come from dist/ (npm run build:wasm).
// Without `import`: packages that are required are not to be modules.
const conditions = ['edgeclip-source', 'node', 'module', 'default'];

const PATIENCE_MS = 180_000;
/** The long form takes as long as it is told. */
const SOAK_MS = Number(process.env.EDGECLIP_SOAK_MINUTES ?? 10) < 5 ? 600_000 : 86_400_000;

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // For what hangs. A busy machine takes its time; in CI a server that hangs does not cost it in each test.
    bail: process.env.CI ? 3 : 0,
    testTimeout: PATIENCE_MS,
    hookTimeout: PATIENCE_MS,
    expect: { poll: { timeout: 60_000, interval: 20 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: [
            '**/node_modules/**',
            'test/slow/**',
            'test/memory/**',
            'test/runtimes/**',
            'test/hub/**',
            'test/weights/formats.test.ts',
            'test/serve/live/**',
            'test/adapters/**',
            'test/cli/**',
            'test/photos/**',
            'test/postgres/**',
            'test/docker/**',
            'test/batch/**',
            'test/recipes/**',
          ],
        },
      },
      {
        extends: true,
        test: { name: 'slow', include: ['test/slow/**/*.test.ts'] },
      },
      {
        // Resident memory is measured with nothing else running.
        extends: true,
        test: { name: 'memory', include: ['test/memory/**/*.test.ts'] },
      },
      {
        // npm run test:serve
        extends: true,
        test: {
          name: 'serve',
          include: ['test/serve/live/**/*.test.ts', 'test/adapters/**/*.test.ts'],
        },
      },
      {
        // npm run test:hub
        extends: true,
        test: { name: 'hub', include: ['test/hub/**/*.test.ts', 'test/weights/formats.test.ts'] },
      },
      {
        // npm run test:cli
        extends: true,
        test: { name: 'cli', include: ['test/cli/**/*.test.ts'] },
      },
      {
        // npm run test:photos
        extends: true,
        test: { name: 'photos', include: ['test/photos/**/*.test.ts'] },
      },
      {
        // npm run test:postgres
        extends: true,
        test: { name: 'postgres', include: ['test/postgres/**/*.test.ts'] },
      },
      {
        // npm run test:docker
        extends: true,
        test: { name: 'docker', include: ['test/docker/**/*.test.ts'] },
      },
      {
        // npm run test:batch
        extends: true,
        test: { name: 'batch', include: ['test/batch/**/*.test.ts'] },
      },
      {
        // npm run test:recipes
        extends: true,
        test: { name: 'recipes', include: ['test/recipes/**/*.test.ts'], testTimeout: 600_000 },
      },
      {
        // npm run soak -- NAME
        extends: true,
        test: { name: 'soak', include: ['test/soak/**/*.soak.ts'], testTimeout: SOAK_MS },
      },
    ],
  },
});

import { defineConfig } from 'vitest/config';

// The tests run the sources; the kernels come from dist/ (npm run build:wasm).
// Without `import`: packages that are required are not to be modules.
const conditions = ['edgeclip-source', 'node', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
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
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: { name: 'slow', include: ['test/slow/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
      },
      {
        // Resident memory is measured with nothing else running.
        extends: true,
        test: { name: 'memory', include: ['test/memory/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
      },
      {
        // npm run test:serve
        extends: true,
        test: {
          name: 'serve',
          include: ['test/serve/live/**/*.test.ts', 'test/adapters/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        // npm run test:hub
        extends: true,
        test: { name: 'hub', include: ['test/hub/**/*.test.ts', 'test/weights/formats.test.ts'], testTimeout: 60_000 },
      },
      {
        // npm run test:cli
        extends: true,
        test: { name: 'cli', include: ['test/cli/**/*.test.ts'], testTimeout: 60_000 },
      },
      {
        // npm run test:photos
        extends: true,
        test: { name: 'photos', include: ['test/photos/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
      },
      {
        // npm run test:postgres
        extends: true,
        test: { name: 'postgres', include: ['test/postgres/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 },
      },
      {
        // npm run test:docker
        extends: true,
        test: { name: 'docker', include: ['test/docker/**/*.test.ts'], testTimeout: 120_000 },
      },
      {
        // npm run test:batch
        extends: true,
        test: { name: 'batch', include: ['test/batch/**/*.test.ts'], testTimeout: 300_000, hookTimeout: 120_000 },
      },
      {
        // npm run test:recipes
        extends: true,
        test: { name: 'recipes', include: ['test/recipes/**/*.test.ts'], testTimeout: 600_000, hookTimeout: 120_000 },
      },
      {
        // npm run soak -- NAME
        extends: true,
        test: { name: 'soak', include: ['test/soak/**/*.soak.ts'], testTimeout: 86_400_000, hookTimeout: 300_000 },
      },
    ],
  },
});

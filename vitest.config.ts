import { defineConfig } from 'vitest/config';

// Three projects: unit (pure), integration (processes and the embedded target), lab (booted Debian hosts).
// Each file of integration and of the lab starts processes or boots hosts of its own and waits half of its time:
// one more at a time than a small machine has cores keeps it busy. (vitest's own default is one less than the cores.)
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles: ['test/support/seed.ts'],
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          maxWorkers: 3,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts', 'test/attack/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 900_000,
          maxWorkers: 3,
        },
      },
    ],
  },
});

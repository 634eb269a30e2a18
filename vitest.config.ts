import { defineConfig } from 'vitest/config';

const fleet = {
  pool: 'forks' as const,
  maxWorkers: 1,
  isolate: false,
  fileParallelism: false,
  globalSetup: ['test/fleet/setup.ts'],
  testTimeout: 300_000,
  hookTimeout: 900_000,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/fleet/**'],
          pool: 'forks',
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: { ...fleet, name: 'fleet', include: ['test/fleet/**/*.test.ts'], env: { FLEETFLIP_TEST_FLEET: 'sshd' } },
      },
      {
        test: {
          name: 'crash',
          include: ['test/crash/**/*.matrix.ts'],
          pool: 'forks',
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 1_800_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'kills',
          include: ['test/crash/**/*.kills.ts'],
          pool: 'forks',
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 7_200_000,
        },
      },
      {
        test: {
          name: 'bench',
          include: ['bench/**/*.bench.ts'],
          pool: 'forks',
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 7_200_000,
          hookTimeout: 600_000,
        },
      },
      {
        test: {
          ...fleet,
          name: 'fleet-docker',
          include: ['test/fleet/five/*.test.ts'],
          env: { FLEETFLIP_TEST_FLEET: 'docker' },
        },
      },
    ],
  },
});

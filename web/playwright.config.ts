import { defineConfig } from '@playwright/test';
import { browser } from './e2e/setup/browser';

export default defineConfig({
  testDir: 'e2e',
  globalSetup: './e2e/setup/global.ts',
  outputDir: 'test-results',
  reporter: process.env.CI ? [['list']] : [['list'], ['html', { open: 'never' }]],
  forbidOnly: Boolean(process.env.CI),
  // A test that passes only the second time has found something.
  retries: 0,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  use: {
    ...browser,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
});

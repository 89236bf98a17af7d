import { defineConfig } from '@playwright/test';
import { browser } from './setup/browser';

export default defineConfig({
  testDir: '.',
  testMatch: 'screenshots.ts',
  globalSetup: './setup/global.ts',
  outputDir: '../test-results',
  reporter: [['list']],
  workers: 1,
  timeout: 120_000,
  use: browser,
});

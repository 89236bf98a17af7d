// npm run screenshots -- FOLDER: pictures of every page in light, in dark and at the width of a telephone.

import { spawnSync } from 'node:child_process';
import path from 'node:path';

const folder = process.argv[2];
if (!folder) {
  console.error('Say where the pictures go: npm run screenshots -- FOLDER');
  process.exit(2);
}
const { status } = spawnSync('npx', ['playwright', 'test', '--config', 'e2e/screenshots.config.ts'], {
  cwd: path.resolve(import.meta.dirname, '..'),
  env: { ...process.env, SCREENSHOTS: path.resolve(folder) },
  stdio: 'inherit',
});
process.exit(status ?? 1);

// Before all tests: the videos, and the server unless one is named by FLIXTUBE_URL.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeMedia } from './media';
import { startServer } from './server';

export default async function globalSetup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'flixtube-media-'));
  const media = await makeMedia(folder);
  const server = process.env.FLIXTUBE_URL ? null : await startServer();
  // Workers are started with this process's environment.
  process.env.E2E_ADDRESS = server?.address ?? process.env.FLIXTUBE_URL?.replace(/\/$/, '') ?? '';
  process.env.E2E_MEDIA = JSON.stringify(media);
  return async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  };
}

// What every test starts from: the server's address, videos of its own, and a page that is watched for
// what must never happen.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, request, test as base, type APIRequestContext, type Page } from '@playwright/test';
import type { Media } from './setup/media';

export { expect };

export interface StoredVideo {
  id: string;
  title: string;
  stream_url: string;
}

/** Talks to the public API as a script would, without a browser. */
export class Library {
  constructor(
    private readonly api: APIRequestContext,
    readonly media: Media,
  ) {}

  put(kind: keyof Media, title: string): Promise<StoredVideo> {
    return this.putFile(this.media[kind], title);
  }

  async putFile(file: string, title: string): Promise<StoredVideo> {
    const types: Record<string, string> = { '.mkv': 'video/x-matroska', '.mp4': 'video/mp4' };
    const response = await this.api.post(`/api/videos?title=${encodeURIComponent(title)}`, {
      data: await readFile(file),
      headers: { 'Content-Type': types[path.extname(file)] ?? 'application/octet-stream' },
    });
    expect(response.status(), await response.text()).toBe(201);
    return (await response.json()) as StoredVideo;
  }

  async describe(id: string, changes: { title?: string; description?: string; tags?: string[] }): Promise<void> {
    const response = await this.api.patch(`/api/videos/${id}`, { data: changes });
    expect(response.status()).toBe(200);
  }

  async titles(q: string): Promise<string[]> {
    const response = await this.api.get(`/api/videos?q=${encodeURIComponent(q)}`);
    const { videos } = (await response.json()) as { videos: StoredVideo[] };
    return videos.map((video) => video.title);
  }
}

/** A server on another address than a loopback lets only its owner write. */
const ownerToken = process.env.FLIXTUBE_URL ? process.env.OWNER_TOKEN : undefined;

interface Fixtures {
  address: string;
  library: Library;
  /** A word that no other test uses, to tell this test's videos from theirs. */
  word: string;
  /** Names of problems that a test brings about on purpose. */
  allowConsole: RegExp[];
}

export const test = base.extend<Fixtures>({
  address: async ({}, use) => {
    await use(process.env.E2E_ADDRESS ?? '');
  },

  baseURL: async ({ address }, use) => {
    await use(address);
  },

  library: async ({ address }, use) => {
    const api = await request.newContext({
      baseURL: address,
      ...(ownerToken && { extraHTTPHeaders: { Authorization: `Bearer ${ownerToken}` } }),
    });
    await use(new Library(api, JSON.parse(process.env.E2E_MEDIA ?? '{}') as Media));
    await api.dispose();
  },

  word: async ({}, use, info) => {
    const letters = 'abcdefghijklmnopqrstuvwxyz';
    const random = Array.from({ length: 6 }, () => letters[Math.floor(Math.random() * letters.length)]).join('');
    await use(`q${random}${info.workerIndex}`);
  },

  allowConsole: [[], { option: true }],

  page: async ({ page, address, allowConsole }, use) => {
    if (ownerToken) {
      const signedIn = await page.context().request.post(`${address}/api/sign-in`, { data: { token: ownerToken } });
      expect(signedIn.status()).toBe(204);
    }
    const wrong: string[] = [];
    page.on('request', (sent) => {
      const url = new URL(sent.url());
      const ours = url.hostname === '127.0.0.1' || url.protocol === 'blob:' || url.protocol === 'data:';
      if (!ours) wrong.push(`a request to ${url.origin}`);
    });
    page.on('pageerror', (error) => wrong.push(`an uncaught error: ${error.message}`));
    page.on('console', (message) => {
      const text = message.text();
      if (/Content.Security.Policy/i.test(text)) wrong.push(`a breach of the policy: ${text}`);
      else if (message.type() === 'error' && !allowConsole.some((allowed) => allowed.test(text))) {
        wrong.push(`an error in the console: ${text} (${message.location().url})`);
      }
    });
    await use(page);
    expect(wrong, 'what no page of ours may do').toEqual([]);
  },
});

/** For tests that break the network or the server on purpose. */
export const LOADING_FAILED = [/Failed to load resource/];

export const player = {
  video: (page: Page) => page.locator('video'),
  time: (page: Page): Promise<number> =>
    page.locator('video').evaluate((video: HTMLVideoElement) => video.currentTime),
  start: async (page: Page): Promise<void> => {
    await page.getByRole('button', { name: /^Play / }).click();
    await expect.poll(() => player.time(page)).toBeGreaterThan(0.3);
  },
  /** The grey of the left half of the picture, 0 to 255. */
  grey: (page: Page): Promise<number> =>
    page.locator('video').evaluate((video: HTMLVideoElement) => {
      const canvas = document.createElement('canvas');
      canvas.width = 64;
      canvas.height = 36;
      const context = canvas.getContext('2d');
      if (!context) return -1;
      context.drawImage(video, 0, 0, 64, 36);
      return context.getImageData(16, 18, 1, 1).data[0] ?? -1;
    }),
};

/** Waits until the server has taken a beat that says `state` (and lies at or after `from` seconds). */
export function beatTaken(page: Page, state: string, from = 0): Promise<unknown> {
  return page.waitForResponse((response) => {
    const sent = response.request();
    if (!sent.url().endsWith('/api/watch-sessions/beats') || response.status() !== 204) return false;
    const beat = sent.postDataJSON() as { state: string; position_ms: number };
    return beat.state === state && beat.position_ms >= from * 1000;
  });
}

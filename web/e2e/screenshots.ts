// Pictures of every page, for the documentation and for people who want to look before they merge.

import path from 'node:path';
import type { Page } from '@playwright/test';
import { beatTaken, expect, player, test } from './fixtures';

const folder = process.env.SCREENSHOTS ?? 'screenshots';

const LOOKS = [
  { name: 'light', use: { colorScheme: 'light', viewport: { width: 1280, height: 800 } } },
  { name: 'dark', use: { colorScheme: 'dark', viewport: { width: 1280, height: 800 } } },
  { name: 'phone', use: { colorScheme: 'light', viewport: { width: 375, height: 720 } } },
] as const;

async function shoot(page: Page, look: string, name: string): Promise<void> {
  // Pictures that are on the screen have come.
  await page.waitForFunction(() =>
    [...document.images].every((image) => image.loading === 'lazy' || (image.complete && image.naturalWidth > 0)),
  );
  await page.screenshot({ path: path.join(folder, `${name}-${look}.png`), animations: 'disabled' });
}

for (const { name: look, use } of LOOKS) {
  test.describe(look, () => {
    test.use({ ...use, allowConsole: [/Failed to load resource/] });

    test(`screenshots in ${look}`, async ({ page, library, word }) => {
      await page.goto('/?q=nothingiscalledlikethis');
      await expect(page.getByRole('heading', { name: /No video matches/ })).toBeVisible();
      await shoot(page, look, 'no-match');

      await page.goto('/upload');
      await shoot(page, look, 'upload');
      await page.getByLabel('Video files').setInputFiles([library.media.long, library.media.short, library.media.rubbish]);
      await expect(page.getByText('Done', { exact: true })).toHaveCount(2, { timeout: 60_000 });
      await shoot(page, look, 'uploaded');
      const link = page.getByRole('article', { name: 'the long film.mp4' }).getByRole('link', { name: 'Watch' });
      const id = (await link.getAttribute('href'))?.split('/').at(-1) ?? '';
      await library.describe(id, {
        title: 'A walk along the coast, from the lighthouse to the bay',
        description: `Taken on a windy morning in March.\nTwo minutes, with sound. (${word})`,
        tags: ['sea', 'walk', 'spring'],
      });

      await page.goto(`/watch/${id}`);
      await expect(page.getByRole('button', { name: /^Play / })).toBeVisible();
      await shoot(page, look, 'watch');
      await player.start(page);
      const sought = beatTaken(page, 'playing', 48);
      await page.keyboard.press('4');
      await sought;
      const paused = beatTaken(page, 'paused');
      await page.keyboard.press('k');
      await paused;
      await page.keyboard.press('?');
      await shoot(page, look, 'shortcuts');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Edit' }).click();
      await shoot(page, look, 'edit');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      await shoot(page, look, 'delete');
      await page.keyboard.press('Escape');

      await expect(async () => {
        await page.goto('/history');
        await expect(page.getByRole('article').first()).toBeVisible({ timeout: 1_500 });
      }).toPass();
      await shoot(page, look, 'history');
      await page.goto(`/watch/${id}`);
      await expect(page.getByText(/^Resumed from \d+:/)).toBeVisible();
      await expect.poll(() => player.time(page)).toBeGreaterThan(40);
      await shoot(page, look, 'resumed');
      await page.goto('/');
      await expect(page.getByRole('region', { name: 'Continue watching' })).toBeVisible();
      await shoot(page, look, 'catalogue');

      const odd = await library.put('hevc', `A film in HEVC ${word}`);
      await page.goto(`/watch/${odd.id}`);
      await expect(page.getByRole('heading', { name: 'This browser cannot play this video' })).toBeVisible();
      await shoot(page, look, 'undecodable');

      await page.route('**/api/videos?*', (route) => route.abort());
      await page.goto('/');
      await expect(page.getByRole('alert')).toBeVisible();
      await shoot(page, look, 'server-down');
      await page.unrouteAll();

      await page.route('**/api/me', (route) =>
        route.fulfill({ json: { may_write: false, sign_in: true, signed_in: false, max_video_bytes: 1 } }),
      );
      await page.goto('/sign-in');
      await expect(page.getByLabel("Owner's token")).toBeVisible();
      await shoot(page, look, 'sign-in');
      await page.goto('/upload');
      await expect(page.getByText('Uploading is for the owner')).toBeVisible();
      await shoot(page, look, 'not-allowed');
    });
  });
}

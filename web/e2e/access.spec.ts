// Everybody can use it: by keyboard, on a narrow screen, with a reader, in light and in dark.

import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { beatTaken, expect, LOADING_FAILED, player, test } from './fixtures';

/** Each page in the state in which it shows most. */
async function pages(page: Page, id: string, word: string): Promise<[string, () => Promise<void>][]> {
  const heading = (name: string | RegExp): Promise<void> => expect(page.getByRole('heading', { name }).first()).toBeVisible();
  return [
    ['catalogue', async () => { await page.goto('/'); await expect(page.getByRole('list', { name: 'Videos' })).toBeVisible(); }],
    ['search', async () => { await page.goto(`/?q=${word}`); await heading(/Results for/); }],
    ['empty search', async () => { await page.goto('/?q=nothingiscalledlikethis'); await heading(/No video matches/); }],
    ['watch', async () => { await page.goto(`/watch/${id}`); await expect(page.getByRole('heading', { level: 1 })).toContainText(word); }],
    ['upload', async () => { await page.goto('/upload'); await heading('Upload'); await expect(page.getByRole('button', { name: 'Choose files' })).toBeVisible(); }],
    ['history', async () => { await page.goto('/history'); await expect(page.getByRole('article').first()).toBeVisible(); }],
    ['sign-in', async () => { await page.goto('/sign-in'); await heading('Sign in'); await expect(page.locator('main a, main input').first()).toBeVisible(); }],
  ];
}

async function aWatchedVideo(page: Page, id: string): Promise<void> {
  await page.goto(`/watch/${id}`);
  await player.start(page);
  const beat = beatTaken(page, 'playing', 40);
  await page.keyboard.press('4');
  await beat;
  const paused = beatTaken(page, 'paused');
  await page.keyboard.press('k');
  await paused;
  await expect(async () => {
    await page.goto('/history');
    await expect(page.getByRole('article').first()).toBeVisible({ timeout: 1_500 });
  }).toPass();
}

async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  return found.map((one) => `${one.id}: ${one.help} (${one.nodes.map((node) => node.target.join(' ')).join('; ')})`);
}

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(colorScheme, () => {
    test.use({ colorScheme, contextOptions: { reducedMotion: 'reduce' }, allowConsole: LOADING_FAILED });

    test(`every page passes axe in ${colorScheme}`, async ({ page, library, word }) => {
      const { id } = await library.put('long', `Accessible ${word}`);
      await library.describe(id, { description: 'For everybody.', tags: ['access'] });
      await aWatchedVideo(page, id);
      for (const [name, open] of await pages(page, id, word)) {
        await open();
        expect(await violations(page), name).toEqual([]);
      }
    });

    test(`dialogs, messages and forms pass axe in ${colorScheme}`, async ({ page, library, word }) => {
      const { id } = await library.put('short', `Dialogs ${word}`);
      await page.goto(`/watch/${id}`);
      await page.getByRole('button', { name: 'Edit' }).click();
      await page.getByRole('dialog').getByLabel('Title').fill('');
      await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
      expect(await violations(page), 'edit').toEqual([]);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Delete', exact: true }).click();
      expect(await violations(page), 'delete').toEqual([]);
      await page.keyboard.press('Escape');
      await page.keyboard.press('?');
      await expect(page.getByRole('dialog')).toBeVisible();
      expect(await violations(page), 'shortcuts').toEqual([]);
      await page.keyboard.press('Escape');

      await page.goto('/upload');
      await page.getByLabel('Video files').setInputFiles(library.media.short);
      await expect(page.getByText('Done', { exact: true })).toBeVisible();
      expect(await violations(page), 'upload').toEqual([]);

      await page.route('**/api/me', (route) =>
        route.fulfill({ json: { may_write: false, sign_in: true, signed_in: false, max_video_bytes: 1 } }),
      );
      await page.goto('/sign-in');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await expect(page.getByText('Enter the token first.')).toBeVisible();
      expect(await violations(page), 'sign-in').toEqual([]);
      await page.goto('/nowhere/at/all');
      expect(await violations(page), 'not found').toEqual([]);
    });
  });
}

for (const width of [320, 375]) {
  test.describe(`${width} px`, () => {
    test.use({ viewport: { width, height: 640 }, hasTouch: true });

    test(`no page is wider than a screen of ${width} px`, async ({ page, library, word }) => {
      const { id } = await library.put('long', `Narrow ${word} Donaudampfschifffahrtsgesellschaftskapitänsmützenband`);
      await library.describe(id, { tags: ['averyveryverylongtagthathasnospaceinitanywhere'] });
      await aWatchedVideo(page, id);
      for (const [name, open] of await pages(page, id, word)) {
        await open();
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        expect(overflow, name).toBeLessThanOrEqual(0);
      }
    });
  });
}

test('a video is found, played and left by keyboard alone', async ({ page, library, word }) => {
  await library.put('long', `Keyboard ${word}`);
  await page.goto('/');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();

  await page.goto('/');
  const search = page.getByRole('searchbox', { name: 'Search videos' });
  for (let press = 0; press < 3; press += 1) await page.keyboard.press('Tab');
  await expect(search).toBeFocused();
  await page.keyboard.type(word);
  const result = page.getByRole('link', { name: `Keyboard ${word}` });
  await expect(page.getByRole('list', { name: 'Videos' }).getByRole('link')).toHaveCount(1);
  await expect(async () => {
    await page.keyboard.press('Tab');
    await expect(result).toBeFocused({ timeout: 50 });
  }).toPass();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/watch\//);
  await expect(page.getByRole('main')).toBeFocused();
  await expect.poll(() => player.time(page)).toBeGreaterThan(0.3);

  // Into the player: the slider, then the button, then out again.
  const slider = page.getByRole('slider', { name: 'Seek' });
  await expect(async () => {
    await page.keyboard.press('Tab');
    await expect(slider).toBeFocused({ timeout: 50 });
  }).toPass();
  await page.keyboard.press('Home');
  await page.keyboard.press('PageUp');
  await expect.poll(() => player.time(page)).toBeGreaterThan(29);
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Pause', exact: true })).toBeFocused();
  await page.keyboard.press('Space');
  await expect(player.video(page)).toHaveJSProperty('paused', true);

  const edit = page.getByRole('button', { name: 'Edit' });
  await expect(async () => {
    await page.keyboard.press('Tab');
    await expect(edit).toBeFocused({ timeout: 50 });
  }).toPass();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(edit).toBeFocused();
});

import { beatTaken, expect, player, test } from './fixtures';
import type { Page } from '@playwright/test';

async function watch(page: Page, id: string, tenth: string): Promise<void> {
  await page.goto(`/watch/${id}`);
  await player.start(page);
  const sought = beatTaken(page, 'playing', Number(tenth) * 12);
  await page.keyboard.press(tenth);
  await sought;
  const paused = beatTaken(page, 'paused');
  await page.keyboard.press('k');
  await paused;
}

test('history lists what was watched, goes on from there, and forgets on demand', async ({ page, library, word }) => {
  const first = await library.put('long', `First ${word}`);
  const second = await library.put('long', `Second ${word}`);
  const third = await library.put('short', `Third ${word}`);
  await watch(page, first.id, '3');
  await watch(page, second.id, '5');
  await page.goto(`/watch/${third.id}`);
  const ended = beatTaken(page, 'ended');
  await player.start(page);
  await page.keyboard.press('9');
  await ended;

  const rows = page.getByRole('list', { name: 'Watched videos' }).getByRole('article');
  // Beats become history within seconds.
  await expect(async () => {
    await page.goto('/history');
    await expect(rows).toHaveCount(3, { timeout: 1_500 });
    await expect(rows.first()).toContainText('Finished', { timeout: 500 });
  }).toPass();
  await expect(rows.getByRole('heading')).toHaveText([`Third ${word}`, `Second ${word}`, `First ${word}`]);
  await expect(rows.nth(1)).toContainText('Stopped at 1:0');
  await expect(rows.nth(1).getByRole('progressbar')).toHaveAttribute('aria-valuenow', '50');

  await page.goto('/');
  const shelf = page.getByRole('region', { name: 'Continue watching' });
  await expect(shelf.getByRole('link')).toHaveText([`Second ${word}`, `First ${word}`]);
  await shelf.getByRole('link', { name: `Second ${word}` }).click();
  await expect(page.getByText('Resumed from 1:0')).toBeVisible();

  await page.goto('/history');
  await page.getByRole('button', { name: `Delete “Third ${word}” from the history` }).click();
  await expect(rows).toHaveCount(2);
  await page.reload();
  await expect(rows).toHaveCount(2);

  await page.getByRole('button', { name: 'Delete all' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete all' }).click();
  await expect(page.getByRole('heading', { name: 'Nothing watched yet' })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'Nothing watched yet' })).toBeVisible();
});

test('the history of one browser is not that of another', async ({ browser, page, library, word, address }) => {
  const { id } = await library.put('long', `Mine ${word}`);
  await watch(page, id, '2');
  const other = await browser.newContext();
  const theirs = await other.newPage();
  await theirs.goto(`${address}/history`);
  await expect(theirs.getByRole('heading', { name: 'Nothing watched yet' })).toBeVisible();
  await other.close();
});

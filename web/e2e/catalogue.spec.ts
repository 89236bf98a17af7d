import { expect, test } from './fixtures';

test('search finds by the beginnings of words, ignores accents, and is kept in the address', async ({ page, library, word }) => {
  const { id } = await library.put('short', `Żółw in the Café ${word}`);
  await library.put('short', `Other ${word}`);
  await library.describe(id, { description: 'A slow animal', tags: ['reptile'] });
  await page.goto('/');
  const list = page.getByRole('list', { name: 'Videos' });
  await page.getByRole('searchbox', { name: 'Search videos' }).fill(`cafe ${word}`);
  await expect(list.getByRole('link')).toHaveText([`Żółw in the Café ${word}`]);
  await expect(page).toHaveURL(new RegExp(`\\?q=cafe\\+${word}$`));
  await page.getByRole('searchbox').fill(`rept ${word}`);
  await expect(list.getByRole('link')).toHaveText([`Żółw in the Café ${word}`]);
  await page.getByRole('searchbox').fill(word);
  await expect(list.getByRole('link')).toHaveCount(2);
  await page.reload();
  await expect(page.getByRole('searchbox')).toHaveValue(word);
  await expect(list.getByRole('link')).toHaveCount(2);
  await page.goBack();
  await expect(page).toHaveURL(/\/$/);
  await expect(page.getByRole('searchbox')).toHaveValue('');
});

test('a search without a match says so and leads back', async ({ page }) => {
  await page.goto('/?q=nothingiscalledlikethis');
  await expect(page.getByRole('heading', { name: 'No video matches “nothingiscalledlikethis”' })).toBeVisible();
  await page.getByRole('link', { name: 'Show all videos' }).click();
  await expect(page).toHaveURL(/\/$/);
});

test('videos are sorted by newest, title and views', async ({ page, library, word }) => {
  await library.put('short', `Beta ${word}`);
  await library.put('short', `alpha ${word}`);
  await library.put('short', `Gamma ${word}`);
  await page.goto(`/?q=${word}`);
  const titles = page.getByRole('list', { name: 'Videos' }).getByRole('link');
  await expect(titles).toHaveText([`Gamma ${word}`, `alpha ${word}`, `Beta ${word}`]);
  await page.getByRole('navigation', { name: 'Order' }).getByRole('link', { name: 'Title' }).click();
  await expect(titles).toHaveText([`alpha ${word}`, `Beta ${word}`, `Gamma ${word}`]);
  await expect(page).toHaveURL(/sort=title/);
  const asked = page.waitForRequest(/\/api\/videos\?.*sort=views/);
  await page.getByRole('link', { name: 'Most viewed' }).click();
  await asked;
  await expect(page.getByRole('link', { name: 'Most viewed' })).toHaveAttribute('aria-current', 'true');
});

test('more pages follow on demand, each video once', async ({ page, library, word }) => {
  for (let number = 1; number <= 26; number += 1) await library.put('short', `Page ${word} ${number}`);
  await page.goto(`/?q=${word}`);
  const titles = page.getByRole('list', { name: 'Videos' }).getByRole('link');
  await expect(titles).toHaveCount(24);
  await page.getByRole('button', { name: 'Show more' }).click();
  await expect(titles).toHaveCount(26);
  expect(new Set(await titles.allTextContents()).size).toBe(26);
  await expect(page.getByRole('button', { name: 'Show more' })).toHaveCount(0);
});

test('coming back to the list finds it where it was left', async ({ page, library, word }) => {
  for (let number = 1; number <= 16; number += 1) await library.put('short', `Place ${word} ${number}`);
  await page.goto(`/?q=${word}`);
  const last = page.getByRole('link', { name: `Place ${word} 1`, exact: true });
  await last.scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => window.scrollY);
  expect(before).toBeGreaterThan(100);
  await last.click();
  await expect(page).toHaveURL(/\/watch\//);
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBe(0);
  await page.goBack();
  await expect(last).toBeInViewport();
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBe(before);
});

test('a search that stops at a limit says so', async ({ page, library, word }) => {
  await library.put('short', `Limit ${word}`);
  await page.route('**/api/videos?*', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), incomplete: true } });
  });
  await page.goto(`/?q=${word}`);
  await expect(page.getByText(/more matches than can be listed/)).toBeVisible();
});

test('a title, a description and tags can be edited', async ({ page, library, word }) => {
  const { id } = await library.put('short', `Before ${word}`);
  await page.goto(`/watch/${id}`);
  await page.getByRole('button', { name: 'Edit' }).click();
  const dialog = page.getByRole('dialog', { name: 'Edit video' });
  await dialog.getByLabel('Title').fill('');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByText('A video needs a title.')).toBeVisible();
  await expect(dialog.getByLabel('Title')).toBeFocused();
  await dialog.getByLabel('Title').fill(`After ${word}`);
  await dialog.getByLabel('Description').fill('Two lines\nof words');
  await dialog.getByLabel('Tags').fill('sea, long walk, sea');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`After ${word}`);
  await expect(page.getByRole('list', { name: 'Tags' }).getByRole('link')).toHaveText(['sea', 'long walk']);
  await page.reload();
  await expect(page.getByText('Two lines')).toBeVisible();
  expect(await library.titles(word)).toEqual([`After ${word}`]);
});

test('a title is only ever text', async ({ page, library, word }) => {
  await library.put('short', `<img src=x onerror=alert(1)> ${word}`);
  await page.goto(`/?q=${word}`);
  await expect(page.getByRole('link', { name: `<img src=x onerror=alert(1)> ${word}` })).toBeVisible();
});

test('a video is deleted after a question, and is gone', async ({ page, library, word }) => {
  const { id } = await library.put('short', `Deleted ${word}`);
  await page.goto(`/watch/${id}`);
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete this video?' });
  await dialog.getByRole('button', { name: 'Keep it' }).click();
  await expect(dialog).toBeHidden();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog.getByRole('button', { name: 'Delete for good' }).click();
  await expect(page).toHaveURL(/\/$/);
  await expect(page.getByText('The video was deleted.')).toBeVisible();
  expect(await library.titles(word)).toEqual([]);
  await expect(page.getByRole('link', { name: `Deleted ${word}` })).toHaveCount(0);
});

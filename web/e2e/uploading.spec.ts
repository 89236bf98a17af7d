import { expect, LOADING_FAILED, player, test } from './fixtures';

test('an upload shows its progress, then the video can be watched', async ({ page, library, word }) => {
  await page.goto('/upload');
  const file = library.media.long;
  // Slow enough for a person to see it go, as on a real network.
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Network.enable');
  await devtools.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 5,
    downloadThroughput: -1,
    uploadThroughput: 8 * 1024 * 1024,
  });
  await page.getByLabel('Video files').setInputFiles(file);
  const row = page.getByRole('article', { name: 'the long film.mp4' });
  await expect(row.getByLabel('Title')).toHaveValue('the long film');
  await row.getByLabel('Title').fill(`Uploaded ${word}`);
  await expect(row.getByRole('progressbar')).toBeVisible();
  await expect(row.getByText(/ of .* · .*\/s · .* left/)).toBeVisible();
  await expect
    .poll(async () => Number(await row.getByRole('progressbar').getAttribute('aria-valuenow')))
    .toBeGreaterThan(0);
  await expect(row.getByText('Done')).toBeVisible({ timeout: 45_000 });
  await devtools.send('Network.disable');

  await row.getByRole('link', { name: 'Watch' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Uploaded ${word}`);
  await expect.poll(() => player.time(page)).toBeGreaterThan(0.3);

  // Its poster was taken in the browser.
  await page.goto(`/?q=${word}`);
  const poster = page.getByRole('list', { name: 'Videos' }).locator('img');
  await expect(poster).toHaveCount(1);
  await expect.poll(() => poster.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBeGreaterThan(100);
});

test('several files go together, also by drag and drop', async ({ page, library, word }) => {
  await page.goto('/upload');
  const { readFile } = await import('node:fs/promises');
  const bytes = (await readFile(library.media.short)).toString('base64');
  const dropped = await page.evaluateHandle(
    ({ bytes, word }) => {
      const content = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      for (const name of ['one', 'two', 'three']) transfer.items.add(new File([content], `${name}_${word}.mp4`));
      return transfer;
    },
    { bytes, word },
  );
  await page.getByRole('group', { name: 'Choose videos' }).dispatchEvent('drop', { dataTransfer: dropped });
  await expect(page.getByRole('article')).toHaveCount(3);
  await expect(page.getByText('Done', { exact: true })).toHaveCount(3, { timeout: 30_000 });
  expect((await library.titles(word)).sort()).toEqual([`one ${word}`, `three ${word}`, `two ${word}`]);
});

test.describe('uploads that do not work', () => {
  test.use({ allowConsole: LOADING_FAILED });

  test('rubbish is refused with a message that says why', async ({ page, library }) => {
    await page.goto('/upload');
    await page.getByLabel('Video files').setInputFiles(library.media.rubbish);
    const row = page.getByRole('article', { name: 'not a video.mp4' });
    await expect(row.getByText('Not uploaded')).toBeVisible();
    await expect(row.locator('.fault')).toHaveText(/\w+ \w+ \w+/);
    await expect(row.getByRole('button', { name: 'Try again' })).toBeVisible();
    await row.getByRole('button', { name: 'Take off the list' }).click();
    await expect(page.getByRole('article')).toHaveCount(0);
  });

  test('a retry after a lost answer makes no second video', async ({ page, library, word }) => {
    await page.goto('/upload');
    const keys: string[] = [];
    await page.route('**/api/videos?*', async (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      keys.push(route.request().headers()['idempotency-key'] ?? '');
      // The server takes it all; only its answer is lost.
      if (keys.length === 1) {
        await route.fetch();
        await route.abort('connectionreset');
      } else {
        await route.continue();
      }
    });
    const { readFile } = await import('node:fs/promises');
    await page.getByLabel('Video files').setInputFiles({
      name: `once ${word}.mp4`,
      mimeType: 'video/mp4',
      buffer: await readFile(library.media.short),
    });
    const row = page.getByRole('article', { name: `once ${word}.mp4` });
    await expect(row.getByText('Not uploaded')).toBeVisible();
    await row.getByRole('button', { name: 'Try again' }).click();
    await expect(row.getByText('Done')).toBeVisible();
    expect(keys).toHaveLength(2);
    expect(keys[0]).toBe(keys[1]);
    expect(await library.titles(word)).toEqual([`once ${word}`]);
  });

  test('a running upload can be cancelled and tried again', async ({ page, library, word }) => {
    await page.goto('/upload');
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let first = true;
    await page.route('**/api/videos?*', async (route) => {
      if (first) {
        first = false;
        await held;
        await route.abort().catch(() => undefined);
      } else {
        await route.continue();
      }
    });
    const { readFile } = await import('node:fs/promises');
    await page.getByLabel('Video files').setInputFiles({
      name: `cancelled ${word}.mp4`,
      mimeType: 'video/mp4',
      buffer: await readFile(library.media.short),
    });
    const row = page.getByRole('article', { name: `cancelled ${word}.mp4` });
    await row.getByRole('button', { name: 'Cancel' }).click();
    await expect(row.getByText('Cancelled', { exact: true })).toBeVisible();
    letGo();
    await row.getByRole('button', { name: 'Try again' }).click();
    await expect(row.getByText('Done')).toBeVisible();
  });

  test('a file over the limit is not even sent', async ({ page, library }) => {
    await page.route('**/api/me', (route) =>
      route.fulfill({ json: { may_write: true, sign_in: false, signed_in: false, max_video_bytes: 1000 } }),
    );
    await page.goto('/upload');
    await page.getByLabel('Video files').setInputFiles(library.media.short);
    await expect(page.getByRole('article').getByText(/the server takes at most 1000 bytes/)).toBeVisible();
  });
});

test('a page with running uploads warns before it closes', async ({ page, library }) => {
  await page.goto('/upload');
  await page.route('**/api/videos?*', () => undefined);
  await page.getByLabel('Video files').setInputFiles(library.media.short);
  await expect(page.getByRole('link', { name: 'Upload running: 1' })).toBeVisible();
  const asked = page.waitForEvent('dialog');
  await page.evaluate(() => setTimeout(() => location.reload(), 0));
  const dialog = await asked;
  expect(dialog.type()).toBe('beforeunload');
  await dialog.accept();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
});

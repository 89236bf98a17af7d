import { beatTaken, expect, LOADING_FAILED, player, test } from './fixtures';
import { greyOf, LONG_SECONDS, lumaAt } from './setup/media';
import { CuttableNetwork } from './setup/cuttable';

test('a video plays and its time advances', async ({ page, library, word }) => {
  const { id } = await library.put('short', `Plays ${word}`);
  await page.goto(`/watch/${id}`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Plays ${word}`);
  await expect(page).toHaveTitle(`Plays ${word} – FlixTube`);
  await player.start(page);
  const before = await player.time(page);
  await expect.poll(() => player.time(page)).toBeGreaterThan(before + 1);
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await expect(player.video(page)).toHaveJSProperty('paused', true);
});

test('a page that is only opened sends no beat', async ({ page, library, word }) => {
  const { id } = await library.put('short', `Opened ${word}`);
  const beats: string[] = [];
  page.on('request', (sent) => {
    if (sent.url().endsWith('/beats')) beats.push(sent.url());
  });
  const opened = page.waitForResponse((response) => response.url().endsWith(`/api/videos/${id}/watch-sessions`));
  await page.goto(`/watch/${id}`);
  expect((await opened).status()).toBe(201);
  await expect(player.video(page)).toHaveJSProperty('readyState', 4);
  await page.goto('/history');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('History');
  expect(beats).toEqual([]);
});

test('seeking to 90 % asks for that part only and shows its picture', async ({ page, library, word }) => {
  const { id } = await library.put('long', `Long ${word}`);
  await page.goto(`/watch/${id}`);
  await player.start(page);
  expect(await player.grey(page)).toBeCloseTo(greyOf(lumaAt(0)), -1);

  const ranged = page.waitForResponse((response) => {
    const range = /^bytes=(\d+)-/.exec(response.request().headers().range ?? '');
    return response.url().includes(`/api/videos/${id}/stream`) && Number(range?.[1]) > 1_000_000;
  });
  await page.keyboard.press('9');
  const response = await ranged;
  expect(response.status()).toBe(206);
  expect(response.headers()['content-range']).toMatch(/^bytes \d+-\d+\/\d+$/);
  await expect.poll(() => player.time(page)).toBeGreaterThanOrEqual(LONG_SECONDS * 0.9);
  await expect.poll(() => player.grey(page)).toBeGreaterThan(greyOf(lumaAt(LONG_SECONDS * 0.9)) - 6);
  const seen = await player.grey(page);
  const expected = [0.9, 0.95].map((part) => greyOf(lumaAt(LONG_SECONDS * part)));
  expect(expected.some((grey) => Math.abs(grey - seen) <= 6), `saw ${seen}, not ${expected.join(' or ')}`).toBe(true);
});

test('after a reload the video goes on where it stopped, or from the start', async ({ page, library, word }) => {
  const { id } = await library.put('long', `Resumed ${word}`);
  await page.goto(`/watch/${id}`);
  await player.start(page);
  const sought = beatTaken(page, 'playing', 60);
  await page.keyboard.press('5');
  await sought;
  const paused = beatTaken(page, 'paused', 60);
  await page.keyboard.press('k');
  await paused;

  // Beats become history by way of the event bus, within seconds.
  await expect(async () => {
    await page.reload();
    await expect(page.getByText('Resumed from 1:0')).toBeVisible({ timeout: 2_000 });
  }).toPass();
  await expect.poll(() => player.time(page)).toBeGreaterThanOrEqual(60);
  await expect.poll(() => player.grey(page)).toBeGreaterThan(greyOf(lumaAt(60)) - 6);

  await page.getByRole('button', { name: 'Start over' }).click();
  await expect.poll(() => player.time(page)).toBeLessThan(20);
  await expect(player.video(page)).toHaveJSProperty('paused', false);
});

test('beats say what happened, in order', async ({ page, library, word }) => {
  const { id } = await library.put('long', `Beats ${word}`);
  const beats: { seq: number; state: string; position_ms: number; session: string }[] = [];
  page.on('request', (sent) => {
    if (sent.url().endsWith('/beats')) beats.push(sent.postDataJSON());
  });
  await page.goto(`/watch/${id}`);
  await player.start(page);
  const after = beatTaken(page, 'playing', 36);
  await page.keyboard.press('3');
  await after;
  const ended = beatTaken(page, 'ended');
  await player.video(page).evaluate((video: HTMLVideoElement) => (video.currentTime = video.duration - 0.5));
  await ended;

  expect(beats.map((beat) => beat.seq)).toEqual(beats.map((_, index) => index + 1));
  expect(beats[0]).toMatchObject({ state: 'playing' });
  expect(beats.every((beat) => Number.isInteger(beat.position_ms))).toBe(true);
  expect(beats.some((beat) => beat.position_ms < 10_000 && beat.seq > 1), 'a beat before the seek').toBe(true);
  expect(beats.at(-1)).toMatchObject({ state: 'ended' });
  await expect(page.getByRole('button', { name: 'Watch again' })).toBeVisible();
});

test('the player obeys its keys and remembers the volume', async ({ page, library, word }) => {
  const { id } = await library.put('long', `Keys ${word}`);
  await page.goto(`/watch/${id}`);
  await player.start(page);
  await page.keyboard.press('Space');
  await expect(player.video(page)).toHaveJSProperty('paused', true);
  await page.keyboard.press('l');
  await expect.poll(() => player.time(page)).toBeGreaterThan(10);
  await page.keyboard.press('ArrowRight');
  await expect.poll(() => player.time(page)).toBeGreaterThan(15);
  await page.keyboard.press('j');
  await expect.poll(() => player.time(page)).toBeLessThan(10);
  await page.keyboard.press('>');
  await expect(page.getByRole('combobox', { name: 'Speed' })).toHaveValue('1.25');
  await page.keyboard.press('f');
  await expect(page.getByRole('button', { name: 'Leave full screen' })).toBeVisible();
  await page.keyboard.press('f');
  await expect(page.getByRole('button', { name: 'Full screen', exact: true })).toBeVisible();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.keyboard.press('m');
  await expect(player.video(page)).toHaveJSProperty('muted', true);
  await page.reload();
  await expect(player.video(page)).toHaveJSProperty('muted', true);
});

test('a video that was chosen on a page of ours plays at once, and the next is offered', async ({ page, library, word }) => {
  await library.put('short', `First ${word}`);
  await library.put('short', `Second ${word}`);
  await page.goto(`/?q=${word}`);
  await page.getByRole('link', { name: `Second ${word}` }).click();
  await expect.poll(() => player.time(page)).toBeGreaterThan(0.3);
  await expect(page.getByRole('complementary', { name: 'Up next' }).getByRole('link').first()).toBeVisible();
  await page.goBack();
  await expect(page).toHaveURL(new RegExp(`\\?q=${word}$`));
});

for (const kind of ['hevc', 'matroska'] as const) {
  test(`a video that this browser cannot decode says so and offers the file: ${kind}`, async ({
    page,
    library,
    word,
  }) => {
    const { id, stream_url } = await library.put(kind, `Odd ${kind} ${word}`);
    await page.goto(`/watch/${id}`);
    await expect(page.getByRole('heading', { name: 'This browser cannot play this video' })).toBeVisible();
    const link = page.getByRole('link', { name: /Download the file/ });
    await expect(link).toHaveAttribute('href', stream_url);
    const download = page.waitForEvent('download');
    await link.click();
    expect((await download).suggestedFilename()).toMatch(/^Odd .*\.(mp4|mkv)$/);
  });
}

test.describe('when something is missing', () => {
  test.use({ allowConsole: LOADING_FAILED });

  test('when the network drops in the middle, playing goes on from the same place once it is back', async ({
    page,
    library,
    address,
    word,
  }) => {
    test.setTimeout(120_000);
    const { id } = await library.put('long', `Dropped ${word}`);
    const network = await CuttableNetwork.to(address);
    try {
      await page.goto(`${network.address}/watch/${id}`);
      await player.start(page);
      await network.cut();
      // Where nothing is buffered: the browser has to ask, and nobody answers.
      await page.keyboard.press('7');
      await expect(page.getByRole('heading', { name: 'The connection is lost' })).toBeVisible({ timeout: 45_000 });
      await network.mend();
      await expect(page.getByRole('heading', { name: 'The connection is lost' })).toBeHidden({ timeout: 45_000 });
      await expect.poll(() => player.time(page)).toBeGreaterThan(LONG_SECONDS * 0.7 + 0.5);
      expect(await player.time(page)).toBeLessThan(LONG_SECONDS * 0.7 + 20);
      await expect(player.video(page)).toHaveJSProperty('paused', false);
    } finally {
      await page.goto('about:blank');
      await network.cut();
    }
  });

  test('a video that is not there says so', async ({ page }) => {
    await page.goto('/watch/0190a5f0-0000-7000-8000-000000000000');
    await expect(page.getByRole('heading', { name: 'This video is not here' })).toBeVisible();
    await expect(page.getByRole('main').getByRole('link', { name: 'All videos' })).toBeVisible();
  });
});

// An update of the whole edge while somebody watches. Only where there is such a thing, on a cluster:
// FLIXTUBE_UPDATE names a program that replaces the gateway, and returns once the old one is gone.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { LOADING_FAILED, expect, player, test } from './fixtures';
import { repeated } from './setup/media';

const update = process.env.FLIXTUBE_UPDATE;

test.describe('while the gateway is replaced', () => {
  test.skip(!update, 'there is nothing to update: FLIXTUBE_UPDATE is not set');
  test.use({ allowConsole: LOADING_FAILED });
  test.setTimeout(600_000);

  test('an answer that outlasts the drain is cut, and the player goes on by range', async ({ page, library, word }) => {
    // So large that what lies in buffers on its way does not last for the rest of it.
    const { id } = await library.putFile(await repeated(library.media.long, 5), `Updated ${word}`);
    const asked: string[] = [];
    const cut: string[] = [];
    const isStream = (url: string): boolean => url.includes(`/api/videos/${id}/stream`);
    page.on('request', (sent) => {
      if (isStream(sent.url())) asked.push(sent.headers().range ?? 'all');
    });
    page.on('requestfailed', (sent) => {
      if (isStream(sent.url())) cut.push(sent.failure()?.errorText ?? '');
    });
    await page.goto(`/watch/${id}`);
    await player.start(page);
    const [askedBefore, cutBefore] = [asked.length, cut.length];
    const seen: number[] = [];
    const watching = setInterval(() => void player.time(page).then((time) => seen.push(time), () => undefined), 1_000);
    try {
      await promisify(execFile)(update ?? '', [], { timeout: 500_000 });
      // What was buffered is played first; then the rest is asked for.
      await expect.poll(() => asked.length, { timeout: 120_000 }).toBeGreaterThan(askedBefore);
      const after = await player.time(page);
      await expect.poll(() => player.time(page), { timeout: 60_000 }).toBeGreaterThan(after + 2);
    } finally {
      clearInterval(watching);
    }
    const what = `asked for ${asked.join(', ')}; cut: ${cut.join(', ')}`;
    // Cut, and told so: a player that still waits for a server that is gone would ask for nothing.
    expect(cut.length, what).toBeGreaterThan(cutBefore);
    expect(asked[askedBefore], what).toMatch(/^bytes=[1-9]\d*-/);
    // It never fell back to an earlier place.
    for (const [i, time] of seen.entries()) expect(time).toBeGreaterThanOrEqual((seen[i - 1] ?? 0) - 0.5);
    await expect(page.getByRole('alert')).toHaveCount(0);
  });
});

// A server with an owner, as it is on the Internet: everybody watches, only the owner changes.

import { LOADING_FAILED, expect, test } from './fixtures';
import { startServer, type RunningServer } from './setup/server';

const TOKEN = 'the token of the owner in a test'.replaceAll(' ', '-').padEnd(40, '0');

test.describe('with an owner', () => {
  test.skip(Boolean(process.env.FLIXTUBE_URL), 'the server that is tested is not ours to set up');
  // A wrong token is answered with 401, which the browser writes into its console.
  test.use({ allowConsole: LOADING_FAILED });

  let server: RunningServer;
  test.beforeAll(async () => {
    server = await startServer({ OWNER_TOKEN: TOKEN });
  });
  test.afterAll(async () => {
    await server.stop();
  });

  test('the owner signs in, uploads and signs out again', async ({ page, library }) => {
    const uploads = page.getByRole('link', { name: 'Upload' });
    await page.goto(`${server.address}/upload`);
    await expect(page.getByText('Uploading is for the owner')).toBeVisible();
    await expect(uploads).toHaveCount(0);

    await page.getByRole('link', { name: 'Sign in as the owner' }).click();
    const token = page.getByLabel("Owner's token");
    await token.fill('not the token, but something just as long');
    await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByText("This is not the owner's token.")).toBeVisible();
    await token.fill(TOKEN);
    await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();

    // Back where signing in was asked for, and it works now.
    await expect(page).toHaveURL(`${server.address}/upload`);
    await page.setInputFiles('input[type=file]', library.media.short);
    await expect(page.getByText('Done', { exact: true })).toBeVisible({ timeout: 30_000 });

    await page.getByRole('button', { name: 'Sign out' }).click();
    await expect(uploads).toHaveCount(0);
    await page.goto(server.address);
    await expect(page.getByRole('link', { name: /a short film/ }).first()).toBeVisible();
  });
});

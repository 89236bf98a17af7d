import { expect, LOADING_FAILED, test } from './fixtures';
import { CuttableNetwork } from './setup/cuttable';

test.use({ allowConsole: LOADING_FAILED });

test('when one service is down, the page says so and tries again by itself', async ({ page, library, word }) => {
  await library.put('short', `Patience ${word}`);
  let down = true;
  await page.route('**/api/videos?*', (route) =>
    down
      ? route.fulfill({
          status: 503,
          contentType: 'application/problem+json',
          headers: { 'Retry-After': '1' },
          body: JSON.stringify({
            type: 'urn:flixtube:problem:unavailable',
            title: 'Service unavailable',
            status: 503,
            detail: 'The catalogue does not answer at the moment.',
          }),
        })
      : route.continue(),
  );
  await page.goto(`/?q=${word}`);
  await expect(page.getByRole('alert')).toContainText('The catalogue does not answer at the moment.');
  await expect(page.getByText(/Trying again/)).toBeVisible();
  down = false;
  await expect(page.getByRole('link', { name: `Patience ${word}` })).toBeVisible();
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('when only the history is down, the catalogue says so and works', async ({ page, library, word }) => {
  await library.put('short', `Alone ${word}`);
  await page.route('**/api/history?*', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{}' }));
  await page.goto('/');
  await expect(page.getByText('Your history does not answer at the moment')).toBeVisible();
  await expect(page.getByRole('list', { name: 'Videos' })).toBeVisible();
  await page.goto('/history');
  await expect(page.getByRole('alert')).toContainText('A part of the server is not available');
});

test('when the server is down, every page says so, and comes back with it', async ({ page, library, address, word }) => {
  await library.put('short', `Back ${word}`);
  const network = await CuttableNetwork.to(address);
  try {
    await page.goto(`${network.address}/`);
    await expect(page.getByRole('list', { name: 'Videos' })).toBeVisible();
    await network.cut();
    await page.getByRole('link', { name: 'History' }).click();
    await expect(page.getByRole('heading', { name: 'The server does not answer' })).toBeVisible();
    await page.getByRole('searchbox').fill(word);
    await page.getByRole('searchbox').press('Enter');
    await expect(page.getByRole('heading', { name: 'The server does not answer' })).toBeVisible();
    await network.mend();
    await expect(page.getByRole('link', { name: `Back ${word}` })).toBeVisible({ timeout: 20_000 });
  } finally {
    await page.goto('about:blank');
    await network.cut();
  }
});

test('without the right to write, writing is not offered, and signing in is', async ({ page, library, word }) => {
  const { id } = await library.put('short', `Locked ${word}`);
  let signedIn = false;
  await page.route('**/api/me', (route) =>
    route.fulfill({
      json: { may_write: signedIn, sign_in: true, signed_in: signedIn, max_video_bytes: 1_000_000 },
    }),
  );
  await page.route('**/api/sign-in', (route) => {
    const { token } = route.request().postDataJSON() as { token: string };
    signedIn = token === 'the right one';
    return route.fulfill(
      signedIn
        ? { status: 204 }
        : { status: 401, contentType: 'application/problem+json', body: '{"title":"Unauthorized","status":401,"detail":"No."}' },
    );
  });
  await page.route('**/api/sign-out', (route) => {
    signedIn = false;
    return route.fulfill({ status: 204 });
  });
  await page.goto(`/watch/${id}`);
  await expect(page.getByText('Editing is for the owner of this server.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Delete' })).toHaveCount(0);
  await page.goto('/upload');
  await expect(page.getByRole('button', { name: 'Choose files' })).toHaveCount(0);
  await page.getByRole('link', { name: 'Sign in as the owner' }).click();
  await page.getByLabel("Owner's token").fill('the wrong one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByText("This is not the owner's token.")).toBeVisible();
  await page.getByLabel("Owner's token").fill('the right one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page).toHaveURL(/\/upload$/);
  await expect(page.getByRole('button', { name: 'Choose files' })).toBeVisible();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('button', { name: 'Choose files' })).toHaveCount(0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE, courseAddress, logIn, signUp } from './people.js';

const catalogue = (page) => page.locator('#catalogue:not([aria-busy])');

test('the first page takes one API call, or two for a logged-in user', async () => {
  const page = await newPage();
  const calls = [];
  page.on('request', (request) => request.url().startsWith(`${STOREFRONT}/api/`) && calls.push(new URL(request.url()).pathname));
  await page.goto('/', { waitUntil: 'networkidle' });
  assert.deepEqual(calls, ['/api/courses']);
  await logIn(page, 'test@buyer.com');
  calls.length = 0;
  await page.goto('/', { waitUntil: 'networkidle' });
  assert.deepEqual(calls.sort(), ['/api/courses', '/api/users/me']);
  assertQuiet(page);
  await page.context().close();
});

test('the first page is under 100 KB in all, and all of it comes from this site', async () => {
  const page = await newPage();
  const answers = [];
  page.on('response', (response) => answers.push(response));
  await page.goto('/', { waitUntil: 'networkidle' });
  assert.deepEqual(answers.map((answer) => answer.url()).filter((url) => !url.startsWith(`${STOREFRONT}/`)), []);
  const bodies = await Promise.all(answers.map((answer) => answer.body()));
  const bytes = bodies.reduce((sum, body) => sum + body.length, 0);
  assert.ok(bytes > 10_000 && bytes < 100_000, `${bytes} bytes`);
  await page.context().close();
});

test('the catalogue shows courses with their prices, and leads to them', async () => {
  const page = await newPage();
  await page.goto('/?q=microservices+flask');
  const card = catalogue(page).getByRole('listitem').filter({ has: page.locator(`a[href="${courseAddress(FIXTURE.slug)}"]`) });
  await expect(card).toHaveText(/\$\d+\.\d\d/, { useInnerText: true });
  await card.getByRole('link').click();
  await page.waitForURL((url) => url.pathname === courseAddress(FIXTURE.slug));
  await page.getByRole('heading', { level: 1 }).waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a search is in the URL, finds words, and helps if it finds nothing', async () => {
  const page = await newPage();
  await page.goto('/');
  await catalogue(page).waitFor();
  await page.getByLabel('Search courses').fill('no course has these words');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText('No courses match “no course has these words”').waitFor();
  assert.match(page.url(), /\?q=no/);
  await page.getByRole('button', { name: 'Show all courses' }).click();
  await catalogue(page).getByRole('listitem').first().waitFor();
  await page.goBack();
  await page.getByText('No courses match').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('what the API sends is text, never markup', async () => {
  const page = await newPage();
  await page.route('**/api/courses?*', (route) =>
    route.fulfill({
      json: {
        items: [{ slug: '"><b>', title: '<img src=x onerror=alert(1)>', description: '<script>alert(1)</script>', price: { amount: 5000, currency: 'jpy' } }],
        next_cursor: null,
      },
    }),
  );
  await page.goto('/');
  await catalogue(page).waitFor();
  await expect(catalogue(page).locator('img, script, b')).toHaveCount(0);
  await expect(catalogue(page)).toHaveText(/<img src=x onerror=alert\(1\)>[^]*¥5,000/, { useInnerText: true });
  assertQuiet(page);
  await page.context().close();
});

test('"show more" sends the cursor, keeps the position, and disappears at the end', async () => {
  const page = await newPage();
  const course = (number) => ({ slug: `course-${number}`, title: `Course ${number}`, description: '', price: { amount: 100 * number, currency: 'usd' } });
  const pages = { '': { items: [course(1), course(2)], next_cursor: 'a' }, a: { items: [], next_cursor: 'b' }, b: { items: [course(3)], next_cursor: null } };
  await page.route('**/api/courses?*', (route) => route.fulfill({ json: pages[new URL(route.request().url()).searchParams.get('cursor') ?? ''] }));
  await page.goto('/');
  const more = page.getByRole('button', { name: 'Show more courses' });
  await more.click();
  await page.getByText('Course 3').waitFor();
  await expect(catalogue(page).getByRole('listitem')).toHaveCount(3);
  await expect(more).toBeHidden();
  await expect(page.locator(':focus')).toHaveText('Course 3');
  await page.context().close();
});

test('an unreachable API is reported, and the retry works', async () => {
  const page = await newPage();
  let answers = false;
  await page.route('**/api/courses?*', (route) => (answers ? route.continue() : route.fulfill({ status: 503, body: '<html>Service Unavailable</html>', contentType: 'text/html' })));
  await page.goto('/');
  await page.getByRole('alert').getByText('We couldn’t load the courses.').waitFor();
  answers = true;
  await page.getByRole('button', { name: 'Try again' }).click();
  await catalogue(page).getByRole('listitem').first().waitFor();
  assertQuiet(page, { except: [503] });
  await page.context().close();
});

test('everything on the first page can be reached with the keyboard, the content first', async () => {
  const page = await newPage();
  await page.goto('/');
  await catalogue(page).getByRole('listitem').first().waitFor();
  await page.keyboard.press('Tab');
  await expect(page.locator(':focus')).toHaveText('Skip to the content');
  await page.keyboard.press('Enter');
  await expect(page.locator(':focus')).toHaveId('main');
  const reached = [];
  for (let steps = 0; steps < 6; steps += 1) {
    await page.keyboard.press('Tab');
    reached.push(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent));
  }
  assert.deepEqual(reached.slice(0, 4), ['Browse courses', 'Sign up', 'q', 'Search']);
  await page.context().close();
});

test('an unknown URL shows a not-found page', async () => {
  const page = await newPage();
  const answer = await page.goto('/no/such/page');
  assert.equal(answer.status(), 404);
  await page.getByRole('heading', { name: 'Page not found' }).waitFor();
  await page.getByRole('link', { name: 'Browse courses' }).click();
  await catalogue(page).waitFor();
  assertQuiet(page, { except: [404] });
  await page.context().close();
});

test('only a seller without a Stripe account is asked to set up payments', async () => {
  const page = await newPage();
  await signUp(page);
  await page.goto('/');
  await page.getByText('Welcome back,').waitFor();
  await expect(page.getByRole('link', { name: 'Set up payments' })).toHaveCount(0);
  await page.context().close();
});

/** Using the catalogue: the back button, long titles, other scripts, and the header above it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE, courseAddress, logIn } from './people.js';

const PHONE = { width: 390, height: 844 };
const course = (number, more = {}) => ({ id: `crs_${number}`, slug: `course-${number}`, title: `Course ${number}`, description: 'What it is about.', price: { amount: 100 * number, currency: 'usd' }, seller: { id: 'usr_1' }, published: true, for_sale: true, created_at: '2026-11-01T08:00:00Z', updated_at: '2026-11-01T08:00:00Z', ...more });

/** A catalogue of this many courses, paginated as by the API. */
async function stock(page, count) {
  const asked = [];
  await page.route('**/api/courses?*', (route) => {
    const query = new URL(route.request().url()).searchParams;
    asked.push(query.get('limit'));
    const from = Number(query.get('cursor') ?? 0);
    const to = Math.min(from + Number(query.get('limit')), count);
    route.fulfill({ json: { items: Array.from({ length: to - from }, (_, at) => course(from + at + 1)), next_cursor: to < count ? String(to) : null } });
  });
  await page.route(/\/api\/courses\/course-\d+$/, (route) => route.fulfill({ json: course(Number(/\d+$/.exec(route.request().url())[0])) }));
  return asked;
}

test('the back button returns to the same position in the catalogue', async () => {
  const page = await newPage({ viewport: PHONE });
  const asked = await stock(page, 257);
  await page.goto('/');
  const more = page.getByRole('button', { name: 'Show more courses' });
  for (let pages = 0; pages < 10; pages += 1) {
    const seen = await page.locator('#catalogue li').count();
    await more.click();
    await page.locator('#catalogue li').nth(seen).waitFor();
  }
  const link = page.getByRole('link', { name: 'Course 121', exact: true });
  // The page scrolls smoothly, so a click on a card out of sight leaves while it still moves.
  await link.evaluate((one) => one.scrollIntoView({ behavior: 'instant', block: 'center' }));
  await link.evaluate((one) => one.addEventListener('click', () => sessionStorage.setItem('top', one.getBoundingClientRect().top)));
  await link.click();
  await page.getByRole('heading', { level: 1, name: 'Course 121' }).waitFor();
  const before = Number(await page.evaluate(() => sessionStorage.getItem('top')));
  asked.length = 0;
  // As in a browser without a page cache, the catalogue is loaded again. A card is about 230 pixels high.
  await page.goBack();
  await link.waitFor();
  await page.waitForFunction((top) => Math.abs([...document.querySelectorAll('#catalogue a')].find((one) => one.textContent === 'Course 121').getBoundingClientRect().top - top) < 60, before);
  assert.ok(asked.length <= 2, `${asked.length} requests`);
  await page.context().close();
});

test('a reload keeps the position too, and a new search starts at the top', async () => {
  const page = await newPage({ viewport: PHONE });
  await stock(page, 60);
  await page.goto('/');
  await page.getByRole('button', { name: 'Show more courses' }).click();
  await page.getByText('Course 24', { exact: true }).waitFor();
  await page.reload();
  await page.getByText('Course 24', { exact: true }).waitFor();
  await page.getByLabel('Search courses').fill('course');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByText('Course 13', { exact: true }).waitFor({ state: 'detached' });
  await expect(page.locator('#catalogue li')).toHaveCount(12);
  await page.context().close();
});

test('a long title makes no other card taller, and each text has its own direction', async () => {
  const page = await newPage();
  const items = [course(1), course(2), course(3, { title: 'A title without end '.repeat(10), description: 'And a text without end. '.repeat(40) })];
  await page.route('**/api/courses?*', (route) => route.fulfill({ json: { items, next_cursor: null } }));
  await page.goto('/');
  const heights = async () => Promise.all((await page.locator('#catalogue li').all()).map(async (card) => (await card.boundingBox()).height));
  await page.locator('#catalogue li').nth(2).waitFor();
  const [tall] = await heights();
  items.pop();
  await page.reload();
  await page.locator('#catalogue li').nth(1).waitFor();
  const [usual] = await heights();
  assert.ok(tall - usual < 70, `${tall} against ${usual}`);

  items[0] = course(1, { title: 'تعلم البرمجة', description: 'دورة للمبتدئين' });
  await page.reload();
  const title = page.getByRole('link', { name: 'تعلم البرمجة' });
  await title.waitFor();
  const directions = await page.locator('#catalogue li').first().locator('[dir=auto]').evaluateAll((all) => all.map((one) => getComputedStyle(one).direction));
  assert.deepEqual(directions, ['rtl', 'rtl']);
  assert.equal(await page.getByRole('link', { name: 'Course 2' }).evaluate((one) => getComputedStyle(one).direction), 'ltr');
  await page.context().close();
});

test('a course in Arabic is right-aligned; its price and buttons do not move', async () => {
  const page = await newPage();
  await page.route('**/api/courses/arabic', (route) => route.fulfill({ json: course(1, { slug: 'arabic', title: 'تعلم البرمجة', description: 'دورة للمبتدئين' }) }));
  await page.goto(courseAddress('arabic'));
  // Not any heading: the server, which does not know the course, rendered one too.
  const heading = page.getByRole('heading', { level: 1, name: 'تعلم البرمجة' });
  await heading.waitFor();
  const alignment = (one) => one.evaluate((element) => [getComputedStyle(element).direction, getComputedStyle(element).textAlign]);
  assert.deepEqual(await alignment(heading), ['rtl', 'start']);
  assert.deepEqual(await alignment(page.locator('.course-text')), ['rtl', 'start']);
  assert.equal((await alignment(page.locator('#offer')))[0], 'ltr');
  await page.context().close();
});

test('the welcome is for new visitors: neither above search results nor for logged-in users', async () => {
  const page = await newPage({ viewport: PHONE });
  await page.goto('/');
  const hero = page.getByRole('heading', { name: 'Learn from people who do it for a living.' });
  await hero.waitFor();
  assert.ok((await page.locator('.hero').boundingBox()).height < 320);
  await page.getByLabel('Search courses').fill('flask');
  await page.getByRole('button', { name: 'Search' }).click();
  await hero.waitFor({ state: 'hidden' });
  await page.goto('/?q=flask');
  const first = page.locator('#catalogue').getByRole('link').first();
  await first.waitFor();
  assert.ok((await first.boundingBox()).y < PHONE.height, 'what was found is seen without scrolling');
  await logIn(page, 'test@buyer.com');
  await page.goto('/');
  await page.getByText('Welcome back,').waitFor();
  await expect(hero).toBeHidden();
  assertQuiet(page);
  await page.context().close();
});

test('on a phone the title and the text come first, and the buy button stays visible', async () => {
  const page = await newPage({ viewport: PHONE });
  await page.route('**/api/courses/long', (route) => route.fulfill({ json: course(1, { slug: 'long', description: 'A long text.\n\n'.repeat(60), seller: { id: 'usr_1', name: 'Ada Teacher', handle: 'ada' } }) }));
  await page.goto(courseAddress('long'));
  await page.getByText('By Ada Teacher').waitFor();
  const place = async (locator) => (await locator.boundingBox()).y;
  assert.ok((await place(page.getByRole('heading', { level: 1 }))) < 220);
  assert.ok((await place(page.locator('.course-text'))) < (await place(page.locator('#offer'))));
  const bar = page.locator('#buy-bar');
  const { y, height } = await bar.boundingBox();
  assert.equal(Math.round(y + height), PHONE.height);
  await expect(bar).toHaveText(/\$1\.00/, { useInnerText: true });
  await page.locator('#offer').scrollIntoViewIfNeeded();
  await bar.waitFor({ state: 'hidden' });
  await page.context().close();

  const desktop = await newPage();
  await desktop.goto(courseAddress(FIXTURE.slug));
  await desktop.locator('#offer').waitFor();
  await expect(desktop.locator('#buy-bar')).toBeHidden();
  assert.ok((await desktop.locator('.course-cover').boundingBox()).height < 110);
  await desktop.context().close();
});

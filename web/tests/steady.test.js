/** Nothing jumps: the layout shift of pages while they load, on a phone and on a desktop, with a slow API. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { newPage, newTab } from './browser.js';
import { FIXTURE, SELLER, STAFF, courseAddress, fixtureSellerIsConnected, logIn, pay, purchaseIs, signUp, toCheckout, visit, withLessons } from './people.js';

const MOST = 0.05;
const SCREENS = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };
const ANSWER_MS = 250;
const SETTLED_MS = 700;

let buyer;
let bought;
before(async () => {
  await fixtureSellerIsConnected();
  const page = await newPage();
  buyer = await signUp(page);
  await toCheckout(page, FIXTURE.slug);
  await pay(page);
  await purchaseIs(page, 'paid');
  bought = `${new URL(page.url()).pathname}${new URL(page.url()).search}`;
  await page.context().close();
});

/** Adds up shifts that nobody caused: https://web.dev/articles/cls */
function observe() {
  globalThis.shifts = [];
  const name = (node) => (node?.nodeType === 1 ? `${node.tagName}#${node.id}.${node.className}` : (node?.nodeName ?? 'gone'));
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (!entry.hadRecentInput) globalThis.shifts.push({ value: entry.value, of: entry.sources.map(({ node }) => name(node)) });
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

/** How many pages load at once: most of the time they wait. */
const AT_ONCE = 3;

/** A page of a user or visitor; in it and in others of its context, each response takes a while. */
async function patient(viewport, email) {
  const page = await newPage({ viewport });
  if (email) await logIn(page, email);
  await page.context().addInitScript(observe);
  await page.context().route('**/api/**', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
    await route.continue().catch(() => {});
  });
  return page;
}

async function hold(page, addresses) {
  const left = [...addresses];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    const other = await newTab(page);
    while (left.length > 0) await holdsStill(other, left.shift());
  }));
}

async function holdsStill(page, address) {
  await visit(page, address);
  await page.waitForLoadState('networkidle');
  await page.waitForFunction(() => !document.querySelector('.is-waiting, main [aria-busy=true]:not([hidden] *)'));
  await page.waitForTimeout(SETTLED_MS);
  const shifts = await page.evaluate(() => globalThis.shifts);
  const sum = shifts.reduce((all, { value }) => all + value, 0);
  assert.ok(sum < MOST, `${address} moves by ${sum.toFixed(3)}: ${JSON.stringify(shifts)}`);
}

for (const [screen, viewport] of Object.entries(SCREENS)) {
  test(`visitors’ pages do not shift, ${screen}`, async () => {
    const page = await patient(viewport);
    await hold(page, ['/', '/?q=flask', courseAddress(FIXTURE.slug), courseAddress('no-such-course'), '/login.html?next=%2Faccount.html', '/signup.html', '/forgot.html', '/reset.html#token', '/confirm.html#token', '/404.html']);
    await page.context().close();
  });

  test(`a buyer’s pages do not shift, ${screen}`, async () => {
    const page = await patient(viewport, buyer);
    await hold(page, ['/', courseAddress(FIXTURE.slug), courseAddress('django-channels'), bought, '/account.html', '/account.html#billing', '/account.html#settings', '/seller.html', '/staff.html']);
    await page.context().close();
  });

  test(`a course with lessons does not shift, ${screen}`, async () => {
    for (const [email, slug] of [[undefined, 'django-channels'], [buyer, FIXTURE.slug]]) {
      const page = await patient(viewport, email);
      await withLessons(page, () => new Promise((resolve) => setTimeout(resolve, ANSWER_MS)));
      await holdsStill(page, courseAddress(slug));
      await page.context().close();
    }
  });

  test(`a seller’s and the staff’s pages do not shift, ${screen}`, async () => {
    const seller = await patient(viewport, SELLER);
    await hold(seller, ['/seller.html', '/seller.html#sales', '/seller.html#payouts', '/seller.html#at-stripe', '/seller.html#membership', '/seller.html#public-page', '/seller.html#settings']);
    const { id } = await (await seller.request.get('/api/users/me')).json();
    const staff = await patient(viewport, STAFF);
    await hold(staff, ['/staff.html', '/staff.html#users', `/staff-user.html?id=${id}`]);
    for (const page of [seller, staff]) await page.context().close();
  });
}

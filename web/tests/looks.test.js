/**
 * Every page on a large and a small screen, in light and dark mode: screenshots to look at, and no violations reported by
 * axe-core. Colours do not depend on the width, so two combinations cover everything.
 */

import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import axe from 'axe-core';

import { assertQuiet, newPage } from './browser.js';
import { FIXTURE, SELLER, STAFF, club, courseAddress, fixtureSellerIsConnected, logIn, newSeller, pay, purchaseIs, signUp, toCheckout, toUser, visit, withLessons } from './people.js';

const FOLDER = fileURLToPath(new URL('screenshots/', import.meta.url));
const LOOKS = {
  light: { colorScheme: 'light' },
  'narrow-dark': { colorScheme: 'dark', viewport: { width: 360, height: 740 } },
};

/** Possible findings of the reconciliation. */
const finding = { purchase_id: 'pur_7h3k9m2p5r8t1v4x_01k0a2b3c4d5e6f7g8', buyer_id: 'usr_7h3k9m2p5r8t1v4x', account: null, stripe_id: null, currency: null, amount: null, ours: null, stripe: null, reason: null, found_at: '2026-11-01T08:00:00Z', last_found_at: '2026-11-01T08:00:00Z', settled_at: null };
const FINDINGS = [
  { ...finding, id: 'fnd_1', kind: 'books_difference', message: 'a charge has a different amount in our books than at Stripe', account: 'acct_1SellerOfCourses', stripe_id: 'pi_3NcXAmple0fALongerId', currency: 'usd', amount: -1000, ours: 4000, stripe: 5000 },
  { ...finding, id: 'fnd_2', kind: 'repair_failed', message: 'a purchase that is waiting for something could not be continued', reason: 'payment_provider_unavailable', last_found_at: '2026-11-01T09:15:00Z' },
  { ...finding, id: 'fnd_3', kind: 'payment_off_record', message: 'a payment at Stripe belongs to no purchase on record', stripe_id: 'pi_3NcYetAnother', currency: 'usd', amount: 5000, settled_at: '2026-11-01T08:00:01Z' },
];

/** A seller's possible balance and payouts. */
const payout = { id: 'po_1', amount: 12_345, currency: 'usd', arrival_date: '2026-11-02T08:00:00Z', created_at: '2026-11-01T08:00:00Z' };
const BALANCE = {
  available: [{ amount: 2500, currency: 'usd' }, { amount: 5000, currency: 'jpy' }],
  pending: [{ amount: 7500, currency: 'usd' }],
  payouts: ['pending', 'in_transit', 'paid', 'canceled', 'failed'].map((status) => ({ ...payout, status, failure_code: status === 'failed' ? 'account_closed' : null })),
};

/** Memberships in each state. */
const SUBSCRIPTIONS = ['pending', 'incomplete', 'active', 'active', 'past_due', 'canceled', 'failed'].map((status, number) => ({
  id: `mem_${number}`,
  seller_id: 'usr_7h3k9m2p5r8t1v4x',
  title: `All courses of seller ${number + 1}`,
  status,
  interval: number % 2 ? 'year' : 'month',
  amount: number % 2 ? 10_000 : 1000,
  currency: 'usd',
  charge_type: 'destination',
  cancel_at_period_end: number === 3,
  current_period_end: number < 2 ? null : '2026-12-02T09:30:00Z',
  paid_until: number < 2 ? null : '2026-12-02T09:30:00Z',
  created_at: '2026-11-02T09:30:00Z',
  updated_at: '2026-11-02T09:30:01Z',
}));

const OFFER = { seller_id: SUBSCRIPTIONS[2].seller_id, title: 'All courses of seller 3', monthly: { amount: 1000 }, yearly: { amount: 10_000 }, currency: 'usd', offered: true };

let buyer;
let bought;
before(async () => {
  await mkdir(FOLDER, { recursive: true });
  await fixtureSellerIsConnected();
  const page = await newPage();
  buyer = await signUp(page);
  await toCheckout(page, FIXTURE.slug);
  await pay(page);
  await purchaseIs(page, 'paid');
  bought = new URL(page.url()).search;
  await page.context().close();
});

/** The page's problems, one per line. */
async function violations(page) {
  await page.evaluate(axe.source);
  const { violations: found } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  return found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary}`));
}

async function look(page, name, look_) {
  await page.waitForFunction(() => !document.querySelector('.is-waiting, main [aria-busy=true]:not([hidden] *)'));
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, `${name} scrolls sideways`);
  assert.deepEqual(await violations(page), [], name);
  await writeFile(`${FOLDER}${name}-${look_}.png`, await page.screenshot({ fullPage: true, animations: 'disabled' }));
}

test('with text of twice the size on a phone, links, search and figures can be read', async () => {
  // 390 pixels with 200 percent.
  const width = 195;
  const page = await newPage({ viewport: { width, height: 422 } });
  await page.route('**/api/users/me/stripe/balance', (route) => route.fulfill({ json: { available: [{ amount: 12_345_678, currency: 'usd' }], pending: [], payouts: [] } }));
  await logIn(page, SELLER);
  const isInside = async (element) => {
    const { x, width: wide } = await element.boundingBox();
    return x >= 0 && x + wide <= width;
  };
  for (const link of await page.locator('#navigation a').all()) assert.ok(await isInside(link), await link.textContent());
  const field = page.getByLabel('Search courses');
  assert.ok((await field.boundingBox()).width > 100 && (await isInside(field)));
  await visit(page, '/seller.html#payouts');
  const figure = page.locator('#money .figure-main dd');
  await figure.waitFor();
  assert.ok(await isInside(figure));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
  await page.context().close();
});

for (const [name, options] of Object.entries(LOOKS)) {
  test(`the pages for everybody, ${name}`, async () => {
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    for (const [title, address] of [
      ['welcome', '/'],
      ['search-empty', '/?q=no+course+has+these+words'],
      ['course', courseAddress(FIXTURE.slug)],
      ['login', '/login.html?next=%2Faccount.html'],
      ['signup', '/signup.html'],
      ['forgot', '/forgot.html'],
      ['reset', '/reset.html#token'],
      ['confirm', '/confirm.html#token'],
      ['404', '/404.html'],
      ['connect-denied', '/?connect=error&reason=access_denied'],
    ]) {
      await page.goto(address);
      await page.getByRole('link', { name: 'Sign up' }).first().waitFor();
      await look(page, title, name);
    }
    assertQuiet(page);
    await page.goto(courseAddress('no-such-course'));
    await page.getByRole('heading', { name: 'We couldn’t find this course.' }).waitFor();
    await look(page, 'course-absent', name);
    await page.context().close();
  });

  test(`a buyer's pages, ${name}`, async () => {
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    await logIn(page, buyer);
    for (const [title, address, landmark] of [
      ['welcome-buyer', '/', `Welcome back, ${buyer}.`],
      ['course-owned', courseAddress(FIXTURE.slug), 'You have access to this course.'],
      ['course-to-buy', courseAddress('django-channels'), 'Buy this course'],
      ['purchase-paid', `/purchase.html${bought}`, 'Thank you. The course is yours.'],
      ['account-library', '/account.html', 'Continue'],
      ['account-billing', '/account.html#billing', 'Receipt'],
      ['account-settings', '/account.html#settings', 'Change password'],
    ]) {
      await visit(page, address);
      await page.getByText(landmark).locator('visible=true').first().waitFor();
      await look(page, title, name);
    }
    assertQuiet(page);
    await page.context().close();
  });

  test(`a course with lessons, ${name}`, async () => {
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    await withLessons(page);
    await page.goto(courseAddress('django-channels'));
    await page.getByRole('button', { name: 'Preview: Hello' }).waitFor();
    await look(page, 'course-lessons', name);
    await page.getByRole('button', { name: 'Preview: Hello' }).click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'course-preview', name);
    await page.keyboard.press('Escape');
    await logIn(page, buyer);
    await page.goto(courseAddress(FIXTURE.slug));
    await page.getByRole('heading', { name: 'A heading' }).waitFor();
    await look(page, 'course-reader', name);
    assertQuiet(page);
    const desk = await newPage({ ...options, reducedMotion: 'reduce' });
    await withLessons(desk);
    await logIn(desk, SELLER);
    await desk.goto('/seller.html');
    await desk.getByRole('button', { name: /^Lessons: / }).first().click();
    await desk.getByRole('dialog').waitFor();
    await look(desk, 'seller-lessons', name);
    assertQuiet(desk);
    for (const one of [page, desk]) await one.context().close();
  });

  test(`saved cards, ${name}`, async () => {
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    await signUp(page);
    await page.goto('/account.html#cards');
    await page.getByText('No saved cards yet.').waitFor();
    await look(page, 'cards-none', name);
    await page.getByRole('button', { name: 'Add a card' }).click();
    await pay(page);
    await page.getByText('Your Visa ending in 4242 is saved.').waitFor();
    await look(page, 'cards-saved', name);
    await page.getByRole('button', { name: 'Remove: Visa ending in 4242' }).click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'cards-remove', name);
    await page.keyboard.press('Escape');
    await page.goto(courseAddress(FIXTURE.slug));
    await page.getByRole('button', { name: `Pay ${FIXTURE.price} now` }).waitFor();
    await look(page, 'course-saved-card', name);
    const card = { id: 'pm_1', brand: 'visa', last4: '4242', exp_month: 1, exp_year: 2020, is_default: true, created_at: '2019-11-01T08:00:00Z' };
    await page.route('**/api/users/me/payment-methods*', (route) => route.fulfill({ json: { items: [card, { ...card, id: 'pm_2', brand: 'amex', last4: '0005', exp_year: 2090, is_default: false }], next_cursor: null } }));
    await page.goto('/account.html#cards');
    await page.getByText('Expired').waitFor();
    await look(page, 'cards-expired', name);
    assertQuiet(page);
    await page.route('**/api/users/me/payment-methods*', (route) => route.fulfill({ status: 502, contentType: 'application/problem+json', json: { code: 'payment_provider_error', status: 502, detail: 'out', request_id: 'the-request' } }));
    await visit(page, '/account.html#cards');
    await page.getByText('We couldn’t load the saved cards.').waitFor();
    await look(page, 'cards-outage', name);
    assertQuiet(page, { except: [502] });
    await page.context().close();
  });

  test(`memberships, ${name}`, async () => {
    const { page: desk, slug } = await club({ ...options, reducedMotion: 'reduce' });
    await look(desk, 'seller-membership', name);
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    await page.goto(courseAddress(slug));
    await page.getByRole('link', { name: 'Log in to join' }).waitFor();
    await look(page, 'course-membership-signed-out', name);
    await signUp(page);
    await page.goto(courseAddress(slug));
    await page.getByRole('button', { name: 'Join' }).waitFor();
    await look(page, 'course-membership', name);
    await page.route('**/api/subscriptions?*', (route) => route.fulfill({ json: { items: SUBSCRIPTIONS, next_cursor: null } }));
    await page.route('**/api/subscriptions/mem_2', (route) => route.fulfill({ json: SUBSCRIPTIONS[2] }));
    await page.route(`**/api/sellers/${SUBSCRIPTIONS[2].seller_id}/membership`, (route) => route.fulfill({ json: OFFER }));
    await page.goto('/account.html?subscription=mem_2');
    await page.getByText('You’re a member.').waitFor();
    await look(page, 'account-joined', name);
    await page.getByRole('link', { name: 'Billing', exact: true }).click();
    await page.getByRole('table', { name: 'Memberships' }).waitFor();
    await look(page, 'account-memberships', name);
    await page.getByRole('button', { name: 'Switch to yearly: All courses of seller 3' }).click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'account-membership-switch', name);
    for (const one of [page, desk]) {
      assertQuiet(one);
      await one.context().close();
    }
  });

  test(`a purchase's other states, ${name}`, async () => {
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    await logIn(page, buyer);
    for (const status of ['pending', 'requires_action', 'failed']) {
      const purchase = { id: 'pur_1', course_id: 'crs_1', course_slug: 'a-course', course_title: 'A course', status, amount: 5000, currency: 'usd', refunded: 0, created_at: '2026-11-01T08:00:00Z', paid_at: null };
      await page.route('**/api/purchases/pur_1', (route) => route.fulfill({ json: purchase }));
      await page.goto('/purchase.html?id=pur_1');
      await purchaseIs(page, status);
      await look(page, `purchase-${status}`, name);
    }
    assertQuiet(page);
    await page.context().close();
  });

  test(`the seller desk, ${name}`, async () => {
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    await logIn(page, SELLER);
    await page.route('**/api/users/me/stripe/balance', (route) => route.fulfill({ json: BALANCE }));
    const part = (title) => page.getByRole('navigation', { name: 'Seller desk' }).getByRole('link', { name: title, exact: true }).click();
    await page.goto('/seller.html');
    await page.getByRole('table', { name: 'Courses' }).waitFor();
    await look(page, 'seller', name);
    await page.locator('summary').first().click();
    await look(page, 'seller-menu', name);
    await page.keyboard.press('Escape');
    await part('Payouts');
    await page.getByRole('table', { name: 'Payouts' }).waitFor();
    await look(page, 'seller-payouts', name);
    await part('Stripe');
    await page.getByRole('button', { name: 'Open here' }).click();
    await page.locator('summary', { hasText: 'Payments and disputes' }).click();
    await page.getByRole('group', { name: 'Payments' }).waitFor();
    await look(page, 'seller-at-stripe', name);
    await part('Membership');
    await page.getByLabel('Monthly price').waitFor();
    await look(page, 'seller-no-membership', name);
    await part('Your page');
    await page.getByRole('button', { name: 'Add link' }).click();
    await look(page, 'seller-public-page', name);
    await part('Courses');
    await page.getByRole('button', { name: /^Edit: / }).first().click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'seller-editor', name);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /^Content: / }).first().click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'seller-content', name);
    await page.keyboard.press('Escape');
    await part('Sales');
    await page.getByRole('table', { name: 'Sales' }).waitFor();
    await look(page, 'seller-sales', name);
    await page.getByRole('button', { name: /^Refund: / }).first().click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'seller-refund', name);
    await page.keyboard.press('Escape');
    await part('Settings');
    await page.getByRole('button', { name: 'Disconnect' }).waitFor();
    await look(page, 'seller-settings', name);
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'seller-disconnect', name);
    await page.keyboard.press('Escape');
    assertQuiet(page);
    await page.context().close();
  });

  test(`a seller desk without a finished account, ${name}`, async () => {
    const { page } = await newSeller({ ...options, reducedMotion: 'reduce' });
    await page.goto('/seller.html');
    const open = page.getByRole('button', { name: 'Set up a new account' });
    await open.waitFor();
    await look(page, 'seller-new', name);
    await open.click();
    await page.locator('[name=decision][value=later]').click();
    await page.getByText('Something is still missing.').waitFor();
    await look(page, 'seller-unfinished', name);
    assertQuiet(page);
    await page.context().close();
  });

  test(`the staff desk, ${name}`, async () => {
    const page = await newPage({ ...options, reducedMotion: 'reduce' });
    await logIn(page, STAFF);
    await page.route('**/api/admin/findings*', (route) => route.fulfill({ json: { items: [], next_cursor: null } }));
    await page.goto('/staff.html');
    await page.getByText('No findings.').waitFor();
    await look(page, 'staff', name);
    await page.getByRole('link', { name: 'Users', exact: true }).click();
    await page.getByRole('table', { name: 'Users' }).waitFor();
    await look(page, 'staff-users', name);
    await page.route('**/api/admin/findings*', (route) => route.fulfill({ json: { items: FINDINGS, next_cursor: null } }));
    await visit(page, '/staff.html');
    await page.getByRole('table', { name: 'Findings' }).waitFor();
    await look(page, 'staff-findings', name);
    await toUser(page, SELLER);
    await page.getByRole('table', { name: 'Sales' }).waitFor();
    await page.getByText('No purchases yet.').waitFor();
    for (const title of ['Fixed fee per sale', 'Minimum fee per sale']) {
      await page.getByRole('group', { name: title }).getByLabel('Custom for this seller').check();
    }
    await look(page, 'staff-user', name);
    await toUser(page, buyer);
    await page.getByRole('button', { name: /^Refund: / }).click();
    await page.getByRole('dialog').waitFor();
    await look(page, 'staff-refund', name);
    assertQuiet(page);
    await page.context().close();
  });
}

/** An API outage: each part of each page reports it, and its retry works once the API is back. */

import { before, test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE, SELLER, STAFF, courseAddress, fixtureSellerIsConnected, logIn, pay, purchaseIs, signUp, toCheckout, visit } from './people.js';

const OUTAGE = { status: 503, contentType: 'application/problem+json', json: { code: 'unavailable', status: 503, detail: 'out', request_id: 'the-request' } };

before(fixtureSellerIsConnected);

/** All requests except the session's fail until each part of the page has reported it. */
async function survives(page, address, sentences) {
  const down = (route) => (route.request().url().endsWith('/users/me') ? route.continue() : route.fulfill(OUTAGE));
  await page.route('**/api/**', down);
  await visit(page, address);
  for (const sentence of sentences) {
    const trouble = notices(page).filter({ hasText: sentence });
    await trouble.getByText('The server has a problem right now.').or(trouble.getByText('Your payment isn’t affected')).waitFor();
    await trouble.getByText('the-request').waitFor();
  }
  await expect(notices(page)).toHaveCount(sentences.length);
  await expect(page.locator('[aria-busy=true]:visible'), 'nothing seems to load still').toHaveCount(0);
  await page.unroute('**/api/**', down);
  for (const sentence of sentences) {
    const trouble = notices(page).filter({ hasText: sentence });
    await trouble.getByRole('button', { name: 'Try again' }).click();
    await trouble.waitFor({ state: 'detached' });
  }
  await page.waitForFunction(() => !document.querySelector('main [aria-busy=true]:not([hidden] *)'));
  await expect(notices(page)).toHaveCount(0);
  assertQuiet(page, { except: [503] });
}

const notices = (page) => page.getByRole('alert').locator('.notice-bad');

test('a buyer’s pages', async () => {
  const page = await newPage();
  await signUp(page);
  await toCheckout(page, FIXTURE.slug);
  await pay(page);
  await purchaseIs(page, 'paid');
  const bought = page.url().slice(STOREFRONT.length);
  await survives(page, courseAddress(FIXTURE.slug), ['We couldn’t load this course.']);
  await page.getByText('You have access to this course.').waitFor();
  await survives(page, bought, ['We couldn’t check your purchase.']);
  await purchaseIs(page, 'paid');
  await survives(page, '/account.html', ['We couldn’t load the courses.', 'We couldn’t load the courses in your memberships.']);
  await survives(page, '/account.html#billing', ['We couldn’t load the purchases.', 'We couldn’t load the memberships.', 'We couldn’t load the saved cards.']);
  await page.getByRole('table', { name: 'Purchases' }).waitFor();
  await page.context().close();
});

test('a seller’s desk', async () => {
  const page = await newPage();
  await logIn(page, SELLER);
  const account = 'We couldn’t load your Stripe account.';
  await survives(page, '/seller.html', [account, 'We couldn’t load the courses.']);
  await survives(page, '/seller.html#membership', [account, 'We couldn’t load your membership.', 'We couldn’t load the members.']);
  await survives(page, '/seller.html#sales', [account, 'We couldn’t load the sales.']);
  await survives(page, '/seller.html#payouts', [account]);
  await page.getByText('Available for payout').waitFor();
  await page.context().close();
});

test('the staff’s desk', async () => {
  const page = await newPage();
  await logIn(page, STAFF);
  await survives(page, '/staff.html', ['We couldn’t load the findings.']);
  await survives(page, '/staff.html#users', ['We couldn’t load the users.']);
  await page.getByRole('table', { name: 'Users' }).waitFor();
  await page.getByLabel('Search by email').fill(SELLER);
  await page.getByRole('button', { name: 'Search' }).click();
  const address = await page.getByRole('link', { name: SELLER, exact: true }).getAttribute('href');
  await survives(page, address, ['We couldn’t load this user.', 'We couldn’t load the purchases.', 'We couldn’t load the sales.']);
  await page.getByRole('heading', { level: 1, name: SELLER }).waitFor();
  await page.context().close();
});

/** An API that is down for a while: each part of each page says so, and its way on works when the API is back. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { STOREFRONT, assertQuiet, newPage } from './browser.js';
import { FIXTURE, SELLER, STAFF, courseAddress, fixtureSellerIsConnected, logIn, pay, purchaseIs, signUp, toCheckout } from './people.js';

const OUTAGE = { status: 503, contentType: 'application/problem+json', json: { code: 'unavailable', status: 503, detail: 'out', request_id: 'the-request' } };

before(fixtureSellerIsConnected);

/** Everything fails but who is signed in, until each part of the page has said so. */
async function survives(page, address, sentences) {
  const down = (route) => (route.request().url().endsWith('/users/me') ? route.continue() : route.fulfill(OUTAGE));
  await page.route('**/api/**', down);
  await page.goto(address);
  for (const sentence of sentences) {
    const trouble = notices(page).filter({ hasText: sentence });
    await trouble.getByText('The server has a problem at the moment.').or(trouble.getByText('Your payment is not affected')).waitFor();
    await trouble.getByText('the-request').waitFor();
  }
  assert.equal(await notices(page).count(), sentences.length);
  assert.equal(await page.locator('[aria-busy=true]').count(), 0, 'nothing seems to load still');
  await page.unroute('**/api/**', down);
  for (const sentence of sentences) {
    const trouble = notices(page).filter({ hasText: sentence });
    await trouble.getByRole('button', { name: 'Try again' }).click();
    await trouble.waitFor({ state: 'detached' });
  }
  await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached' });
  assert.equal(await notices(page).count(), 0);
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
  await survives(page, courseAddress(FIXTURE.slug), ['We could not load this course.']);
  await page.getByText('This course is open to you.').waitFor();
  await survives(page, bought, ['We could not look at your purchase.']);
  await purchaseIs(page, 'paid');
  await survives(page, '/account.html', ['We could not load the purchases.', 'We could not load the memberships.', 'We could not load the saved cards.']);
  await page.getByRole('table', { name: 'My purchases' }).waitFor();
  await page.context().close();
});

test('a seller’s desk', async () => {
  const page = await newPage();
  await logIn(page, SELLER);
  await survives(page, '/seller.html', ['We could not look at your Stripe account.', 'We could not load the courses.', 'We could not load your membership.', 'We could not load the sales.']);
  await page.getByText('Ready to be paid out').waitFor();
  await page.context().close();
});

test('the staff’s desk', async () => {
  const page = await newPage();
  await logIn(page, STAFF);
  await survives(page, '/staff.html', ['We could not load the findings.', 'We could not load the users.']);
  await page.getByRole('table', { name: 'Users' }).waitFor();
  await page.getByLabel('Search e-mail addresses').fill(SELLER);
  await page.getByRole('button', { name: 'Search' }).click();
  const address = await page.getByRole('link', { name: SELLER, exact: true }).getAttribute('href');
  await survives(page, address, ['We could not load this user.', 'We could not load the purchases.', 'We could not load the sales.']);
  await page.getByRole('heading', { level: 1, name: SELLER }).waitFor();
  await page.context().close();
});

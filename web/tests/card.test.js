/** Payment on a page of this site, if Stripe.js can work, with a fake Stripe object. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE, confirmAddress, courseAddress, fixtureSellerIsConnected, purchaseIs, purchasesOf, signUp } from './people.js';

const KEY = 'pk_test_51ThisIsAKeyOfTheRealStripe';

/** The fake Stripe.js. It records how it was used, and the test sets its results. */
const FAKE = `
globalThis.used = [];
globalThis.Stripe = (key, options) => ({
  elements: (settings) => {
    globalThis.used.push(['elements', key, settings]);
    return {
      create: (kind) => ({ mount: (place) => { document.querySelector(place).textContent = 'Fields of Stripe: ' + kind; } }),
      submit: async () => ({ error: globalThis.incomplete ? { type: 'validation_error' } : undefined }),
    };
  },
  createPaymentMethod: async () => (globalThis.refused ? { error: { message: globalThis.refused } } : { paymentMethod: { id: globalThis.method ?? 'pm_card_visa' } }),
  handleNextAction: async ({ clientSecret }) => {
    globalThis.used.push(['next', key, options ?? null, clientSecret]);
    sessionStorage.setItem('used', JSON.stringify(globalThis.used));
    return {};
  },
});`;

before(fixtureSellerIsConnected);

/** A buyer's page on a platform with a key of the real Stripe. */
async function newBuyer() {
  const page = await newPage();
  await page.route('**/api/config', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), publishable_key: KEY } });
  });
  page.loads = 0;
  await page.route('https://js.stripe.com/**', async (route) => {
    page.loads += 1;
    await route.fulfill({ contentType: 'text/javascript', body: FAKE });
  });
  await signUp(page);
  return page;
}

async function toFields(page) {
  await page.goto(courseAddress(FIXTURE.slug));
  await page.getByRole('link', { name: 'Pay by card here' }).click();
  await page.getByText('Fields of Stripe: payment').waitFor();
}

test('with the stand-in, Stripe.js is not loaded and no card fields are shown', async () => {
  const page = await newPage();
  let elsewhere = 0;
  page.on('request', (request) => {
    if (request.url().includes('stripe.com')) elsewhere += 1;
  });
  await signUp(page);
  const settled = page.waitForResponse('**/api/config');
  await page.goto(courseAddress(FIXTURE.slug));
  await settled;
  await page.getByRole('button', { name: 'Buy this course' }).waitFor();
  await expect(page.getByRole('link', { name: 'Pay by card here' })).toHaveCount(0);
  await page.goto(`/pay.html?slug=${FIXTURE.slug}`);
  await page.getByText('You can’t pay by card on this page.').waitFor();
  assert.equal(elsewhere, 0);
  assertQuiet(page);
  await page.context().close();
});

test('a card is charged at the price that was shown, and Stripe.js is only loaded on that page', async () => {
  const page = await newBuyer();
  await page.goto(courseAddress(FIXTURE.slug));
  await page.getByRole('link', { name: 'Pay by card here' }).waitFor();
  assert.equal(page.loads, 0);
  await toFields(page);
  assert.equal(page.loads, 1);
  const [[, key, settings]] = await page.evaluate(() => globalThis.used);
  assert.equal(key, KEY);
  assert.deepEqual([settings.mode, settings.amount, settings.currency, settings.paymentMethodCreation], ['payment', 5000, 'usd', 'manual']);
  let charges = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/courses/charge')) charges += 1;
  });
  await page.getByRole('button', { name: 'Pay $50.00' }).dblclick();
  await purchaseIs(page, 'paid');
  assert.equal(charges, 1);
  assert.equal(await purchasesOf(page, (await (await page.request.get(`/api/courses/${FIXTURE.slug}`)).json()).title), 1);
  assertQuiet(page);
  await page.context().close();
});

test('incomplete fields, a refused card and a declined card charge nothing; the next card does', async () => {
  const page = await newBuyer();
  await toFields(page);
  const pay = page.getByRole('button', { name: 'Pay $50.00' });
  let charges = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/courses/charge')) charges += 1;
  });
  await page.evaluate(() => Object.assign(globalThis, { incomplete: true }));
  await pay.click();
  await page.evaluate(() => Object.assign(globalThis, { incomplete: false, refused: 'Your card number is invalid.' }));
  await pay.click();
  await page.getByRole('alert').getByText('Your card number is invalid.').waitFor();
  assert.equal(charges, 0);
  await page.evaluate(() => Object.assign(globalThis, { refused: '', method: 'pm_card_visa_chargeDeclined' }));
  await pay.click();
  await page.getByRole('alert').getByText('Your card was declined.').waitFor();
  await page.evaluate(() => Object.assign(globalThis, { method: 'pm_card_visa' }));
  await pay.click();
  await page.getByRole('alert').getByText('After a declined card we need to know your address').waitFor();
  await confirmAddress(page);
  await pay.click();
  await purchaseIs(page, 'paid');
  assert.equal(charges, 3);
  assertQuiet(page, { except: [402, 403] });
  await page.context().close();
});

test('a required authentication is passed to Stripe.js, and the purchase waits for the result', async () => {
  const page = await newBuyer();
  await toFields(page);
  await page.evaluate(() => Object.assign(globalThis, { method: 'pm_card_threeDSecure2Required' }));
  await page.getByRole('button', { name: 'Pay $50.00' }).click();
  await purchaseIs(page, 'requires_action');
  const used = JSON.parse(await page.evaluate(() => sessionStorage.getItem('used')));
  const [, key, options, secret] = used.at(-1);
  assert.equal(key, KEY);
  assert.match(options.stripeAccount, /^acct_/, 'the seller’s account charges');
  assert.match(secret, /^pi_.*_secret_/);
  // The bank's own page, by redirect, from the purchase.
  await page.getByRole('button', { name: 'Confirm the payment' }).click();
  await page.getByRole('button', { name: 'Complete authentication' }).click();
  await purchaseIs(page, 'paid');
  assertQuiet(page);
  await page.context().close();
});

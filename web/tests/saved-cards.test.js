/** Saved cards: saved on Stripe's page, used in one step, chosen and removed. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage, newTab } from './browser.js';
import {
  FIXTURE, GOOD_CARD, cardField, connect, connectExpress, courseAddress, fixtureSellerIsConnected, makeCourse, newSeller, pay, purchaseIs, purchasesOf, signUp, visit,
} from './people.js';

const MASTERCARD = '5555 5555 5555 4444';
/** Can be saved, but is declined when it is charged. */
const DECLINED_LATER = '4000 0000 0000 0341';
/** Its bank requires authentication every time. */
const ASKS_ALWAYS = '4000 0027 6000 3184';

let TITLE;
before(async () => {
  await fixtureSellerIsConnected();
  ({ title: TITLE } = await (await fetch(`${STOREFRONT}/api/courses/${FIXTURE.slug}`)).json());
});

const cardRow = (page, name) => page.getByRole('table', { name: 'Saved cards' }).getByRole('row').filter({ hasText: name });
const payNow = (page) => page.getByRole('button', { name: `Pay ${FIXTURE.price} now` });

/** A new buyer's account page. */
async function newBuyer() {
  const page = await newPage();
  await signUp(page);
  await visit(page, '/account.html#billing');
  return page;
}

/** Saves a card through the account page and Stripe's page, and ends on the account page. */
async function saveCard(page, number, name) {
  await visit(page, '/account.html#billing');
  await page.locator('#card-list:not([aria-busy])').waitFor();
  await page.getByRole('button', { name: 'Add a card' }).click();
  await pay(page, number);
  await page.getByText(`Your ${name} is saved.`).waitFor();
}

function countCharges(page) {
  const count = { charges: 0 };
  page.on('request', (request) => {
    if (request.url().endsWith('/courses/charge')) count.charges += 1;
  });
  return count;
}

test('a card is saved on Stripe’s page, and pays with one request without another page', async () => {
  const page = await newBuyer();
  await page.getByText('No saved cards yet.').waitFor();
  await saveCard(page, GOOD_CARD, 'Visa ending in 4242');
  assert.equal(new URL(page.url()).search, '');
  await cardRow(page, 'Visa ending in 4242').getByText(/^12\/20\d\d$/).waitFor();
  const count = countCharges(page);
  await page.goto(courseAddress(FIXTURE.slug));
  await expect(page.getByLabel('Card', { exact: true }).locator('option')).toHaveText(/^Visa 4242, 12\/\d\d$/, { useInnerText: true });
  await payNow(page).dblclick();
  await purchaseIs(page, 'paid');
  assert.equal(count.charges, 1);
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page);
  await page.context().close();
});

test('a default can be chosen and comes first when paying, and a card is removed after a confirmation', async () => {
  const page = await newBuyer();
  await saveCard(page, GOOD_CARD, 'Visa ending in 4242');
  await saveCard(page, MASTERCARD, 'Mastercard ending in 4444');
  const visa = cardRow(page, 'Visa ending in 4242');
  // The first card is the default automatically.
  await visa.getByText('Default', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Make default: Mastercard ending in 4444' }).click();
  await page.getByText('Mastercard ending in 4444 is your default card.').waitFor();
  await page.getByRole('button', { name: 'Make default: Visa ending in 4242' }).click();
  await page.getByText('Visa ending in 4242 is your default card.').waitFor();
  await visa.getByText('Default', { exact: true }).waitFor();
  await expect(visa.getByRole('button', { name: /^Make default/ })).toHaveCount(0);
  await page.goto(courseAddress(FIXTURE.slug));
  const options = page.getByLabel('Card', { exact: true }).locator('option');
  await options.first().waitFor({ state: 'attached' });
  assert.deepEqual((await options.allInnerTexts()).map((text) => text.split(',')[0]), ['Visa 4242', 'Mastercard 4444']);

  await visit(page, '/account.html#billing');
  await page.getByRole('button', { name: 'Remove: Visa ending in 4242' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Keep card' }).click();
  await visa.waitFor();
  await page.getByRole('button', { name: 'Remove: Visa ending in 4242' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove card' }).click();
  await page.getByText('The Visa ending in 4242 was removed.').waitFor();
  await page.locator('#card-list:not([aria-busy])').waitFor();
  await expect(visa).toHaveCount(0);
  await expect(page.locator(':focus')).toHaveId('card-outcome');
  await page.reload();
  await cardRow(page, 'Mastercard ending in 4444').waitFor();
  await expect(visa).toHaveCount(0);
  assertQuiet(page);
  await page.context().close();
});

test('the two ways to pay never run at the same time', async () => {
  const page = await newBuyer();
  await saveCard(page, GOOD_CARD, 'Visa ending in 4242');
  const count = countCharges(page);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await page.route('**/api/courses/charge', async (route) => {
    await released;
    await route.continue();
  });
  await page.goto(courseAddress(FIXTURE.slug));
  await payNow(page).click();
  await page.getByRole('button', { name: 'Buy this course' }).click();
  release();
  await purchaseIs(page, 'paid');
  assert.equal(count.charges, 1);
  assertQuiet(page);
  await page.context().close();
});

test('a saved card that is declined charges nothing, and the next way to pay does, once', async () => {
  const page = await newBuyer();
  await saveCard(page, DECLINED_LATER, 'Visa ending in 0341');
  await page.goto(courseAddress(FIXTURE.slug));
  await payNow(page).click();
  await page.getByRole('alert').getByText('Your card was declined.').waitFor();
  await page.getByRole('button', { name: 'Buy this course' }).click();
  await pay(page);
  await purchaseIs(page, 'paid');
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page, { except: [402] });
  await page.context().close();
});

const LOST = { status: 504, contentType: 'application/problem+json', json: { code: 'payment_provider_timeout', status: 504, request_id: 'the-request' } };

test('a payment whose answer is lost is found by the page itself', async () => {
  const page = await newBuyer();
  await saveCard(page, GOOD_CARD, 'Visa ending in 4242');
  const count = countCharges(page);
  await page.route('**/api/courses/charge', async (route) => {
    await route.fetch();
    await route.fulfill(LOST);
  });
  await page.goto(courseAddress(FIXTURE.slug));
  await payNow(page).click();
  await purchaseIs(page, 'paid');
  assert.equal(count.charges, 1);
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('a payment that never arrived is looked for, and can be made again', async () => {
  const page = await newBuyer();
  await saveCard(page, GOOD_CARD, 'Visa ending in 4242');
  await page.route('**/api/courses/charge', (route) => route.fulfill(LOST), { times: 1 });
  await page.clock.install();
  await page.goto(courseAddress(FIXTURE.slug));
  await payNow(page).click();
  await page.getByText('We don’t know yet whether you’ve paid.').waitFor();
  const last = page.getByText('We still don’t know whether you’ve paid.');
  await expect
    .poll(
      async () => {
        await page.clock.runFor(15_000);
        return last.isVisible();
      },
      { intervals: [100] },
    )
    .toBe(true);
  await payNow(page).click();
  await purchaseIs(page, 'paid');
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('a required authentication is done when the card is saved and when it pays', async () => {
  const page = await newBuyer();
  await page.getByRole('button', { name: 'Add a card' }).click();
  await pay(page, ASKS_ALWAYS);
  await page.getByRole('button', { name: 'Complete authentication' }).click();
  await page.getByText('Your Visa ending in 3184 is saved.').waitFor();
  await page.goto(courseAddress(FIXTURE.slug));
  await payNow(page).click();
  await page.getByRole('button', { name: 'Complete authentication' }).click();
  await purchaseIs(page, 'paid');
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page);
  await page.context().close();
});

test('the URL proves nothing, and leaving Stripe’s page saves nothing', async () => {
  const page = await newBuyer();
  await page.goto('/account.html?card=saved');
  await page.getByText('Welcome back from Stripe.').waitFor();
  await page.getByText('No saved cards yet.').waitFor();
  await expect(page.getByText(/ is saved\./)).toHaveCount(0);
  await page.getByRole('button', { name: 'Add a card' }).click();
  await cardField(page).waitFor();
  await page.goBack();
  // Whether the page was restored or reloaded, the button works again.
  await page.getByRole('button', { name: 'Add a card' }).click();
  await cardField(page).waitFor();
  await page.getByRole('link').last().click();
  await page.getByText('You left Stripe’s page.').waitFor();
  await page.getByText('No saved cards yet.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('with charges on the platform, Checkout saves a card only if the buyer agrees', async () => {
  const { page: seller } = await newSeller();
  await connectExpress(seller);
  const slug = await makeCourse(seller, { title: `Express ${Date.now()}`, price: '50.00' });
  await seller.context().close();
  for (const keep of [true, false]) {
    const page = await newPage();
    await signUp(page);
    await page.goto(courseAddress(slug));
    const box = page.getByLabel('Save my card for later');
    await expect(box).not.toBeChecked();
    if (keep) await box.check();
    await page.getByRole('button', { name: 'Buy this course' }).click();
    await pay(page, MASTERCARD);
    await purchaseIs(page, 'paid');
    await visit(page, '/account.html#billing');
    if (keep) await cardRow(page, 'Mastercard ending in 4444').waitFor();
    else await page.getByText('No saved cards yet.').waitFor();
    assertQuiet(page);
    await page.context().close();
  }
});

test('with direct charges, the buyer learns before Checkout that the card is not saved; a saved one can pay', async () => {
  const { page: seller } = await newSeller();
  await seller.goto('/');
  await connect(seller);
  const slug = await makeCourse(seller, { title: `Direct ${Date.now()}`, price: '50.00' });

  const page = await newBuyer();
  await page.goto(courseAddress(slug));
  await page.getByLabel('Save my card for later').check();
  await page.getByRole('button', { name: 'Buy this course' }).click();
  await page.getByText('Your card can’t be saved with this purchase.').waitFor();
  await page.getByRole('button', { name: 'Continue to payment' }).click();
  await cardField(page).waitFor();
  await saveCard(page, GOOD_CARD, 'Visa ending in 4242');
  await page.goto(courseAddress(slug));
  await payNow(page).click();
  await purchaseIs(page, 'paid');
  assertQuiet(page);
  await seller.context().close();
  await page.context().close();
});

test('with direct charges on the platform, no checkbox offers to save a card', async () => {
  const page = await newPage();
  await signUp(page);
  await page.route('**/api/config', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), charge_type: 'direct' } });
  });
  await page.goto(courseAddress(FIXTURE.slug));
  await page.getByRole('button', { name: 'Buy this course' }).waitFor();
  await expect(page.getByLabel('Save my card for later')).toHaveCount(0);
  assertQuiet(page);
  await page.context().close();
});

test('both pages report a card that was removed elsewhere', async () => {
  const page = await newBuyer();
  await saveCard(page, GOOD_CARD, 'Visa ending in 4242');
  await page.goto(courseAddress(FIXTURE.slug));
  await payNow(page).waitFor();
  const { items } = await (await page.request.get('/api/users/me/payment-methods')).json();
  const account = await newTab(page);
  await account.goto('/account.html#billing');
  await cardRow(account, 'Visa ending in 4242').waitFor();
  const removed = await page.request.delete(`/api/users/me/payment-methods/${items[0].id}`, { headers: { origin: STOREFRONT } });
  assert.equal(removed.status(), 204);
  await payNow(page).click();
  await page.getByRole('alert').getByText('This card can’t be used.').waitFor();
  await payNow(page).waitFor({ state: 'detached' });
  await account.getByRole('button', { name: 'Remove: Visa ending in 4242' }).click();
  await account.getByRole('dialog').getByRole('button', { name: 'Remove card' }).click();
  await account.getByText('This card was already removed.').waitFor();
  await account.getByText('No saved cards yet.').waitFor();
  assertQuiet(page, { except: [422] });
  assertQuiet(account, { except: [404] });
  await page.context().close();
});

test('if cards cannot be loaded, the account page offers a retry, and the course page still offers Checkout', async () => {
  const page = await newBuyer();
  const outage = { status: 502, contentType: 'application/problem+json', json: { code: 'payment_provider_error', status: 502, detail: 'out', request_id: 'the-request' } };
  await page.route('**/api/users/me/payment-methods*', (route) => route.fulfill(outage));
  await visit(page, '/account.html#billing');
  const alert = page.locator('#card-list').getByRole('alert');
  await alert.getByText('We couldn’t load the saved cards.').waitFor();
  await page.getByRole('button', { name: 'Add a card' }).click();
  await page.getByRole('alert').getByText('Nothing was saved, and it’s safe to try again.').waitFor();
  // A read is tried twice before it fails.
  let reads = 0;
  const given = page.waitForResponse((response) => response.url().includes('/payment-methods') && (reads += 1) === 2);
  await page.goto(courseAddress(FIXTURE.slug));
  await given;
  await page.getByRole('button', { name: 'Buy this course' }).waitFor();
  await expect(payNow(page)).toHaveCount(0);
  await visit(page, '/account.html#billing');
  await alert.waitFor();
  await page.unroute('**/api/users/me/payment-methods*');
  await alert.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('No saved cards yet.').waitFor();
  assertQuiet(page, { except: [502] });
  await page.context().close();
});

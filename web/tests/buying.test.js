import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage, newTab } from './browser.js';
import {
  DECLINED_CARD, FIXTURE, PASSWORD, cardField, connect, courseAddress, fixtureSellerIsConnected, logIn, makeCourse, newSeller, pay, purchaseIs, purchasesOf, signUp, toCheckout,
} from './people.js';

let TITLE;
before(async () => {
  await fixtureSellerIsConnected();
  ({ title: TITLE } = await (await fetch(`${STOREFRONT}/api/courses/${FIXTURE.slug}`)).json());
});

test('a visitor finds a course, signs up on the way, pays, and owns it', async () => {
  const page = await newPage();
  await page.goto(courseAddress(FIXTURE.slug));
  await page.getByRole('heading', { level: 1, name: TITLE }).waitFor();
  await page.getByRole('link', { name: 'Log in to buy' }).click();
  await page.locator('main').getByRole('link', { name: 'Sign up' }).click();
  await page.waitForURL('**/signup.html?next=**');
  await signUpHere(page);
  await page.waitForURL((url) => url.pathname === courseAddress(FIXTURE.slug));
  await page.getByRole('button', { name: 'Buy this course' }).click();
  await pay(page);
  await purchaseIs(page, 'paid');
  await page.reload();
  await purchaseIs(page, 'paid');
  await page.getByRole('link', { name: 'Start the course' }).click();
  await page.getByText('You have access to this course.').waitFor();
  await expect(page.getByRole('button', { name: 'Buy this course' })).toHaveCount(0);
  assert.equal(await purchasesOf(page, TITLE), 1);
  await page.getByText('Paid', { exact: true }).waitFor();
  assertQuiet(page);
  await page.context().close();
});

async function signUpHere(page) {
  await page.getByLabel('Email').fill(`visitor-${Date.now()}@example.com`);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.locator('main').getByRole('button', { name: 'Sign up' }).click();
}

test('a declined card, then a good one: one purchase, paid', async () => {
  const page = await newPage();
  await signUp(page);
  await toCheckout(page, FIXTURE.slug);
  await pay(page, DECLINED_CARD);
  // If Stripe's page stays open, the buyer enters another card; if it redirects back, the buyer tries again from here.
  await cardField(page).or(page.locator('#verdict')).waitFor();
  if (page.url().startsWith(STOREFRONT)) {
    await page.getByRole('button', { name: /Try again|Continue to payment/ }).click();
  }
  await pay(page);
  await purchaseIs(page, 'paid');
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page);
  await page.context().close();
});

test('a double click begins one purchase with one request', async () => {
  const page = await newPage();
  await signUp(page);
  await page.goto(courseAddress(FIXTURE.slug));
  let charges = 0;
  page.on('request', (request) => {
    if (request.url().endsWith('/courses/charge')) charges += 1;
  });
  await page.getByRole('button', { name: 'Buy this course' }).dblclick();
  await cardField(page).waitFor();
  assert.equal(charges, 1);
  await pay(page);
  await purchaseIs(page, 'paid');
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page);
  await page.context().close();
});

test('two tabs buy the same course: one purchase', async () => {
  const one = await newPage();
  await signUp(one);
  const two = await newTab(one);
  await toCheckout(one, FIXTURE.slug);
  await toCheckout(two, FIXTURE.slug);
  await pay(one);
  await purchaseIs(one, 'paid');
  await two.goto(courseAddress(FIXTURE.slug));
  await two.getByText('You have access to this course.').waitFor();
  assert.equal(await purchasesOf(two, TITLE), 1);
  assertQuiet(one);
  assertQuiet(two);
  await one.context().close();
});

test('closing a tab during the payment loses nothing', async () => {
  const page = await newPage();
  await signUp(page);
  const tab = await newTab(page);
  await toCheckout(page, FIXTURE.slug);
  const paid = page.waitForResponse((response) => response.request().method() === 'POST');
  await pay(page);
  await paid;
  await page.close();
  await tab.goto('/account.html#billing');
  await tab.locator('#purchase-list').getByRole('link', { name: TITLE, exact: true }).click();
  await purchaseIs(tab, 'paid');
  assertQuiet(tab);
  await tab.context().close();
});

test('the back button leaves the payment page, and buying continues where it stopped', async () => {
  const page = await newPage();
  await signUp(page);
  await toCheckout(page, FIXTURE.slug);
  const checkout = page.url();
  await page.goBack();
  await page.getByRole('button', { name: 'Buy this course' }).click();
  await cardField(page).waitFor();
  assert.equal(page.url(), checkout);
  await pay(page);
  await purchaseIs(page, 'paid');
  // Back over the paid Checkout to the course: it is owned and not offered again.
  await page.goto(courseAddress(FIXTURE.slug));
  await page.getByText('You have access to this course.').waitFor();
  await page.goBack();
  await purchaseIs(page, 'paid');
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page);
  await page.context().close();
});

/** Skips the page's waiting times until it shows something. */
async function sooner(page, wanted) {
  while (!(await wanted.isVisible())) {
    const look = page.waitForResponse('**/api/purchases/*');
    await page.clock.runFor(15_000);
    await look;
  }
}

test('a buyer who returns without paying sees that nothing was charged, and can pay from the purchases', async () => {
  const page = await newPage();
  await signUp(page);
  await toCheckout(page, FIXTURE.slug);
  await page.goto(`${courseAddress(FIXTURE.slug)}?checkout=canceled`);
  await page.getByText('You left the payment page.').waitFor();
  await page.goto('/account.html#billing');
  await page.locator('#purchase-list').getByText('Waiting for payment').waitFor();
  await page.clock.install();
  await page.locator('#purchase-list').getByRole('link').first().click();
  await purchaseIs(page, 'pending');
  const onwards = page.getByRole('button', { name: /Continue to payment/ });
  await sooner(page, onwards);
  await onwards.click();
  await pay(page);
  await purchaseIs(page, 'paid');
  assert.equal(await purchasesOf(page, TITLE), 1);
  assertQuiet(page);
  await page.context().close();
});

test('nobody sees another user’s purchase', async () => {
  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, FIXTURE.slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  const address = buyer.url();
  await buyer.context().close();
  const other = await newPage();
  await signUp(other);
  await other.goto(address);
  await other.getByText('We couldn’t find this purchase in your account.').waitFor();
  assertQuiet(other, { except: [404] });
  await other.context().close();
});

test('a changed price is shown before anything is bought', async () => {
  const { page: seller } = await newSeller();
  await seller.goto('/');
  await connect(seller);
  const title = `Changing prices ${Date.now()}`;
  const slug = await makeCourse(seller, { title, price: '10.00' });
  const buyer = await newPage();
  await signUp(buyer);
  await buyer.goto(courseAddress(slug));
  await buyer.locator('.course-side').getByText('$10.00').waitFor();
  await seller.getByRole('button', { name: `Edit: ${title}` }).click();
  await seller.getByRole('dialog').getByLabel('Price').fill('12.50');
  await seller.getByRole('dialog').getByRole('button', { name: 'Save course' }).click();
  await seller.getByText(`“${title}” is saved.`).waitFor();
  await buyer.getByRole('button', { name: 'Buy this course' }).click();
  await buyer.getByText('The price has changed since you opened this page.').waitFor();
  await buyer.locator('.course-side').getByText('$12.50').waitFor();
  assert.equal(await purchasesOf(buyer, title), 0);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  assertQuiet(buyer, { except: [409] });
  await seller.context().close();
  await buyer.context().close();
});

test('if the payment provider fails, the page says that nothing was charged twice, and a retry works', async () => {
  const page = await newPage();
  await signUp(page);
  await page.goto(courseAddress(FIXTURE.slug));
  await page.route('**/api/courses/charge', (route) =>
    route.fulfill({ status: 504, contentType: 'application/problem+json', json: { code: 'payment_provider_timeout', status: 504, detail: 'late', request_id: 'the-request' } }),
    { times: 1 },
  );
  await page.getByRole('button', { name: 'Buy this course' }).click();
  const alert = page.getByRole('alert');
  await alert.getByText('You can’t be charged twice, so it’s safe to try again.').waitFor();
  await alert.getByText('the-request').waitFor();
  await page.getByRole('button', { name: 'Buy this course' }).click();
  await cardField(page).waitFor();
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('the purchase page explains each status, and only believes the server', async () => {
  const page = await newPage();
  await logIn(page, 'test@buyer.com');
  const purchase = { id: 'pur_1', course_id: 'crs_1', course_slug: 'a-course', course_title: 'A course', amount: 5000, currency: 'usd', refunded: 0, created_at: '2026-11-01T08:00:00Z', paid_at: null };
  let status = 'pending';
  await page.route('**/api/purchases/pur_1', (route) => route.fulfill({ json: { ...purchase, status, refunded: status === 'partially_refunded' ? 1000 : 0 } }));
  await page.goto('/purchase.html?id=pur_1&status=paid');
  await purchaseIs(page, 'pending');
  status = 'requires_action';
  await purchaseIs(page, 'requires_action');
  await page.getByRole('button', { name: 'Confirm the payment' }).waitFor();
  for (const [next, words] of [
    ['paid', 'Thank you. The course is yours.'],
    ['failed', 'The payment didn’t go through.'],
    ['canceled', 'The payment was canceled.'],
    ['refunded', 'You’ve been refunded.'],
    ['partially_refunded', 'You’ve been refunded $10.00.'],
    ['disputed', 'Your bank disputes this payment.'],
  ]) {
    status = next;
    await page.goto('/purchase.html?id=pur_1');
    await purchaseIs(page, next);
    await page.getByRole('heading', { name: words }).waitFor();
  }
  assertQuiet(page);
  await page.context().close();
});

test('a decline reported before the next card’s payment does not end the polling', async () => {
  const page = await newPage();
  await logIn(page, 'test@buyer.com');
  const purchase = { id: 'pur_1', course_id: 'crs_1', course_slug: 'a-course', course_title: 'A course', amount: 5000, currency: 'usd', refunded: 0, created_at: '2026-11-01T08:00:00Z', paid_at: null };
  const answers = [
    { ...purchase, status: 'failed', updated_at: new Date().toISOString() },
    { ...purchase, status: 'paid', updated_at: new Date().toISOString() },
  ];
  await page.route('**/api/purchases/pur_1', (route) => route.fulfill({ json: answers.length > 1 ? answers.shift() : answers[0] }));
  await page.goto('/purchase.html?id=pur_1');
  await purchaseIs(page, 'pending');
  await purchaseIs(page, 'paid');
  assertQuiet(page);
  await page.context().close();
});

test('a required authentication can be repeated from the purchase page', async () => {
  const page = await newPage();
  await logIn(page, 'test@buyer.com');
  const purchase = { id: 'pur_1', course_id: 'crs_1', course_slug: 'a-course', course_title: 'A course', status: 'requires_action', amount: 5000, currency: 'usd', refunded: 0, created_at: '2026-11-01T08:00:00Z', paid_at: null };
  await page.route('**/api/purchases/pur_1', (route) => route.fulfill({ json: purchase }));
  await page.route('**/api/courses/charge', (route) => route.fulfill({ status: 201, json: { purchase, client_secret: 'secret', next_action_url: `${STOREFRONT}/404.html?bank` } }));
  await page.goto('/purchase.html?id=pur_1');
  await page.getByRole('button', { name: 'Confirm the payment' }).click();
  await page.waitForURL('**/404.html?bank');
  assertQuiet(page);
  await page.context().close();
});

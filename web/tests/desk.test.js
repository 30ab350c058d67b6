/** Using the seller desk: totals after a refund, and the focus. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, expect, newPage } from './browser.js';
import { connectExpress, makeCourse, newSeller, pay, purchaseIs, sell, signUp, toCheckout, visit } from './people.js';

const focused = (page) => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.id);

test('after a partial refund the line adds up, the balance is updated, and the focus stays', async () => {
  const { page } = await newSeller();
  await connectExpress(page);
  const title = `Sums ${Date.now()}`;
  const slug = await makeCourse(page, { title, price: '59.00' });
  await sell(slug);

  await visit(page, '/seller.html#payouts');
  await page.locator('#money').getByText('$29.50').waitFor();
  await page.getByRole('link', { name: 'Sales', exact: true }).click();
  const row = page.getByRole('table', { name: 'Sales' }).getByRole('row').filter({ hasText: title });
  const refund = async () => {
    await row.getByRole('button', { name: 'Refund' }).click();
    await page.getByRole('dialog').getByLabel('Amount').fill('10');
    await page.getByRole('dialog').getByRole('button', { name: 'Refund' }).click();
  };
  // The first request is lost, so its refund can be made from a new dialog. That answer is lost too, so the list tells that it was made.
  const keys = [];
  await page.route('**/api/purchases/*/refund', async (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > 2) return route.continue();
    if (keys.length > 1) await route.fetch();
    return route.fulfill({ status: 504, contentType: 'application/problem+json', json: { code: 'payment_provider_timeout', status: 504, request_id: 'the-request' } });
  });
  const unknown = 'We don’t know yet whether $10.00 was refunded.';
  const giveUp = async () => {
    await page.getByRole('dialog').getByText(unknown).waitFor();
    const fresh = page.waitForResponse('**/api/users/me/stripe/balance');
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.locator('#sales-outcome').getByText(unknown).waitFor();
    await fresh;
    await page.locator('#sales-list:not([aria-busy])').waitFor();
  };
  await refund();
  await giveUp();
  await expect(row.getByRole('cell').nth(5)).toHaveText('–');
  await refund();
  await giveUp();
  await row.getByText('Partly refunded').waitFor();
  assert.deepEqual([keys.length, keys[0]], [2, keys[1]]);
  // 59.00 less 24.50 (what the platform keeps of its 29.50), less 10.00 that was refunded.
  assert.deepEqual((await row.getByRole('cell').allInnerTexts()).slice(3, 7), ['$59.00', '$24.50', '$10.00', '$24.50']);
  await expect(page.locator('#totals dl')).toHaveText(/Your share\s+\$24\.50[^]*Platform fee\s+\$24\.50/, { useInnerText: true });
  await expect.poll(() => focused(page)).toMatch(new RegExp(`^Refund: ${title}, …\\w{8}$`));
  await page.getByRole('link', { name: 'Payouts', exact: true }).click();
  await page.locator('#money').getByText('$24.50').waitFor();

  // When nothing is left to refund, the button disappears, and the focus moves to the notice.
  await page.getByRole('link', { name: 'Sales', exact: true }).click();
  await row.getByRole('button', { name: 'Refund' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Refund' }).click();
  await row.getByText('Refunded', { exact: true }).last().waitFor();
  await expect.poll(() => focused(page)).toBe('sales-outcome');
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('sales of one course on one day differ by their time and order number, in the list and in the dialog', async () => {
  const { page } = await newSeller();
  await connectExpress(page);
  const title = `Popular ${Date.now()}`;
  const slug = await makeCourse(page, { title });
  const numbers = [];
  for (let sold = 0; sold < 2; sold += 1) {
    const buyer = await newPage();
    await signUp(buyer);
    await toCheckout(buyer, slug);
    await pay(buyer);
    await purchaseIs(buyer, 'paid');
    numbers.push(new URL(buyer.url()).searchParams.get('id'));
    await buyer.context().close();
  }
  await visit(page, '/seller.html#sales');
  const rows = page.getByRole('table', { name: 'Sales' }).getByRole('row');
  for (const number of numbers) {
    const short = `…${number.slice(-8)}`;
    const row = rows.filter({ hasText: `Order ${short}` });
    await expect(row).toHaveCount(1);
    await expect(row.getByRole('time')).toHaveText(/\d:\d\d/);
    await page.getByRole('button', { name: `Refund: ${title}, ${short}`, exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(number, { exact: true }).waitFor();
    await expect(dialog.getByRole('time')).toHaveText(/\d:\d\d/);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
  }
  assertQuiet(page);
  await page.context().close();
});

test('a refund that waits for the payees says so, with the API’s amount', async () => {
  const { page } = await newSeller();
  await connectExpress(page);
  const title = `Waits ${Date.now()}`;
  const slug = await makeCourse(page, { title, price: '20.00' });
  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  const id = new URL(buyer.url()).searchParams.get('id');
  const purchase = await (await buyer.request.get(`/api/purchases/${id}`)).json();
  await buyer.context().close();
  const waiting = { id: null, amount: 1500, status: 'waiting', application_fee_refunded: 0, transfer_reversed: 0, created_at: purchase.created_at };
  await page.route('**/api/purchases/*/refund', (route) => route.fulfill({ status: 202, json: { ...purchase, refunds: [waiting] } }));
  await visit(page, '/seller.html#sales');
  await page.getByRole('button', { name: `Refund: ${title}` }).click();
  await page.getByRole('dialog').getByLabel('Amount').fill('5');
  await page.getByRole('dialog').getByRole('button', { name: 'Refund' }).click();
  await page.locator('#sales-outcome').getByText('$15.00 is refunded as soon as the payment has been booked and the payees’ shares have come back.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('publishing and saving keep the focus, deleting moves it to the notice', async () => {
  const { page } = await newSeller();
  const title = `Keyboard ${Date.now()}`;
  await makeCourse(page, { title });
  await expect.poll(() => focused(page)).toBe('new-course');
  const row = page.getByRole('row').filter({ hasText: title });
  const more = row.locator('summary');
  await more.press('Enter');
  await page.keyboard.press('Escape');
  await row.getByRole('button', { name: 'Unpublish' }).waitFor({ state: 'hidden' });
  await expect.poll(() => focused(page)).toBe(`More: ${title}`);
  await page.keyboard.press('Enter');
  await row.getByRole('button', { name: 'Unpublish' }).press('Enter');
  await row.getByText('Not published').waitFor();
  await expect.poll(() => focused(page)).toBe(`More: ${title}`);
  await page.keyboard.press('Enter');
  await row.getByRole('button', { name: 'Publish' }).press('Enter');
  await row.getByText('Published', { exact: true }).waitFor();
  await expect.poll(() => focused(page)).toBe(`More: ${title}`);
  await row.getByRole('button', { name: 'Edit' }).press('Enter');
  await page.getByRole('dialog').getByLabel('Price').fill('25');
  await page.keyboard.press('Enter');
  await row.getByText('$25.00').waitFor();
  await expect.poll(() => focused(page)).toBe(`Edit: ${title}`);
  await more.press('Enter');
  await row.getByRole('button', { name: 'Delete' }).press('Enter');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete course' }).press('Enter');
  await page.getByText('was deleted.').waitFor();
  await page.getByText('You don’t have any courses yet.').waitFor();
  await expect.poll(() => focused(page)).toBe('course-outcome');
  assertQuiet(page);
  await page.context().close();
});

test('the desk has sections, each with its own URL, and only requests what it shows', async () => {
  const { page } = await newSeller();
  const calls = [];
  page.on('request', (request) => request.url().includes('/api/') && calls.push(new URL(request.url()).pathname));
  await page.goto('/seller.html', { waitUntil: 'networkidle' });
  assert.deepEqual(calls.sort(), ['/api/config', '/api/users/me', '/api/users/me/courses']);
  const nav = page.getByRole('navigation', { name: 'Seller desk' });
  for (const [name, id] of [['Sales', 'sales'], ['Payouts', 'payouts'], ['Membership', 'membership'], ['Settings', 'settings'], ['Courses', 'courses']]) {
    await nav.getByRole('link', { name, exact: true }).click();
    await page.getByRole('heading', { level: 2, name, exact: true }).waitFor();
    assert.equal(new URL(page.url()).hash, `#${id}`);
    await expect(page.locator('.part:visible')).toHaveCount(1);
    await expect(nav.locator('[aria-current]')).toHaveText(name, { useInnerText: true });
  }
  assertQuiet(page);
  await page.context().close();
});

test('on a phone, the link of the shown section is in sight', async () => {
  const { page } = await newSeller({ viewport: { width: 390, height: 844 } });
  for (const [name, id] of [['Settings', 'settings'], ['Payouts', 'payouts'], ['Courses', 'courses']]) {
    await visit(page, `/seller.html#${id}`);
    const link = page.getByRole('navigation', { name: 'Seller desk' }).getByRole('link', { name, exact: true });
    await expect(link).toHaveAttribute('aria-current', 'true');
    await expect(link).toBeInViewport({ ratio: 0.9 });
  }
  assertQuiet(page);
  await page.context().close();
});

test('a sale that settled in another currency shows both amounts, and what is owed is told', async () => {
  const { page } = await newSeller();
  const none = { sales: 0, gross: 0, application_fee: 0, refunded: 0, disputed: 0, net: 0, stripe_fee: 0 };
  const sale = { purchase_id: 'pur_12345678', course_id: 'crs_1', course_title: 'In euros', status: 'paid', processing: false, amount: 3000, currency: 'eur', application_fee: 1500, application_fee_refunded: 0, charge_type: 'direct', refunded: 0, disputed: 0, stripe_fee: null, net: 1500, created_at: '2026-11-02T09:30:00Z', paid_at: '2026-11-02T09:30:00Z' };
  const settled = { amount: 3240, currency: 'usd', stripe_fee: 124, transferred: 0, currency_difference: 0 };
  const debt = { purchase_id: 'pur_1', movement: 1, account: 'acct_1', reason: 'balance_insufficient', since: '2026-11-02T09:30:00Z' };
  const answer = {
    items: [{ ...sale, settled }, { ...sale, purchase_id: 'pur_87654321', course_title: 'The same' }],
    next_cursor: null,
    totals: [{ ...none, currency: 'eur', sales: 2, gross: 6000, application_fee: 3000, net: 3000 }, { ...none, currency: 'jpy' }, { ...none, currency: 'usd', stripe_fee: 124 }],
  };
  const debts = [{ ...debt, amount: 500, currency: 'usd' }, { ...debt, amount: 250, currency: 'usd' }, { ...debt, amount: 100, currency: 'eur' }];
  await page.route('**/api/sales?**', (route) => route.fulfill({ json: answer }));
  await visit(page, '/seller.html#sales');
  const price = (title) => page.getByRole('table', { name: 'Sales' }).getByRole('row').filter({ hasText: title }).getByRole('cell').nth(3);
  await expect(price('In euros')).toHaveText('€30.00 settled as $32.40', { useInnerText: true });
  await expect(price('The same')).toHaveText('€30.00');
  // A currency without sales has no card of zeros.
  await expect(page.locator('#totals dl')).toHaveCount(1);
  await expect(page.getByLabel('Totals in EUR')).toHaveText(/€60\.00 in 2 sales/, { useInnerText: true });
  await page.locator('#totals').getByText('Stripe’s fees in USD: $1.24', { exact: true }).waitFor();
  await expect(page.getByText('JPY')).toHaveCount(0);
  await expect(page.getByText('You owe')).toHaveCount(0);

  answer.debts = debts;
  await visit(page, '/seller.html#sales');
  await page.locator('#totals').getByText('You owe $7.50 and €1.00.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

/** The staff desk: terms, users' purchases and sales, refunds, findings, and disputes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, expect, newPage } from './browser.js';
import { DISPUTED_CARD, FIXTURE, FIXTURE_PASSWORD, STAFF, confirmAddress, connect, courseAddress, fixtureSellerIsConnected, logIn, makeCourse, newSeller, pay, purchaseIs, sell, signUp, toCheckout, toUser, visit } from './people.js';

/** Staff on a user's page. */
async function atUser(email) {
  const page = await newPage();
  await logIn(page, STAFF);
  await toUser(page, email);
  return page;
}

test('individual terms apply to the next sale, and can be removed', async () => {
  const { page: seller, email } = await newSeller();
  await seller.goto('/');
  await connect(seller);
  const title = `Terms ${Date.now()}`;
  const slug = await makeCourse(seller, { title, price: '20.00' });

  const staff = await atUser(email);
  const desk = staff.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Staff desk' });
  await expect(desk, 'the page belongs to the desk').toHaveAttribute('aria-current', 'true');
  const form = staff.locator('#terms-form');
  await form.getByLabel('Charge type').selectOption('direct');
  await form.getByLabel('Platform fee in percent').fill('10');
  const fixed = form.getByRole('group', { name: 'Fixed fee per sale' });
  await fixed.getByLabel('Custom for this seller').check();
  await fixed.getByLabel('Amount').fill('0.305');
  await form.getByRole('button', { name: 'Save terms' }).click();
  await form.getByRole('alert').getByText('USD has at most 2 decimals').waitFor();
  await fixed.getByLabel('Amount').fill('0.30');
  await form.getByRole('button', { name: 'Save terms' }).click();
  await staff.getByText('Terms saved.').waitFor();
  await staff.reload();
  await form.getByRole('button', { name: 'Reset to platform terms' }).waitFor();
  await expect(form.getByLabel('Charge type')).toHaveValue('direct');
  await expect(form.getByLabel('Platform fee in percent')).toHaveValue('10');
  await expect(fixed.getByLabel('Amount')).toHaveValue('0.30');
  await expect(form.getByRole('group', { name: 'Minimum fee per sale' }).getByLabel('Custom for this seller')).not.toBeChecked();

  await sell(slug);

  await staff.reload();
  const sale = staff.getByRole('table', { name: 'Sales' }).getByRole('row').filter({ hasText: title });
  await sale.waitFor();
  // A tenth of 2000 and 30.
  assert.deepEqual((await sale.getByRole('cell').allInnerTexts()).slice(3, 7), ['$20.00', '$2.30', '–', '$17.70']);
  await staff.getByText('Custom terms').waitFor();
  await form.getByRole('button', { name: 'Reset to platform terms' }).click();
  await staff.getByText('The platform’s terms apply to this seller.').waitFor();
  await staff.reload();
  await form.getByLabel('Charge type').locator('option').first().waitFor({ state: 'attached' });
  await expect(form.getByLabel('Charge type')).toHaveValue('');
  await expect(form.getByRole('button', { name: 'Reset to platform terms' })).toBeHidden();
  await expect(fixed.getByLabel('Custom for this seller')).not.toBeChecked();
  assertQuiet(staff);
  await staff.context().close();
  await seller.context().close();
});

test('staff are warned of charges that Stripe advises against', async () => {
  const { page: seller, email } = await newSeller();
  await seller.goto('/');
  await connect(seller);
  const staff = await atUser(email);
  const form = staff.locator('#terms-form');
  const warning = staff.getByText('Stripe advises against destination charges for this seller.');
  await form.getByRole('button', { name: 'Save terms' }).waitFor();
  await form.getByLabel('Charge type').selectOption('destination');
  await form.getByRole('button', { name: 'Save terms' }).click();
  await staff.getByText('Terms saved.').waitFor();
  await warning.waitFor();
  await staff.reload();
  await warning.waitFor();
  await form.getByLabel('Charge type').selectOption('direct');
  await form.getByRole('button', { name: 'Save terms' }).click();
  await staff.getByText('Terms saved.').waitFor();
  await expect(warning).toHaveCount(0);
  assertQuiet(staff);
  await staff.context().close();
  await seller.context().close();
});

test('staff see a user’s purchases and refund one', async () => {
  await fixtureSellerIsConnected();
  const buyer = await newPage();
  const email = await signUp(buyer);
  await toCheckout(buyer, FIXTURE.slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');

  const staff = await atUser(email);
  await staff.getByText('No sales yet.').waitFor();
  await expect(staff.locator('#terms'), 'there is nothing to agree on with a buyer').toBeHidden();
  const row = staff.getByRole('table', { name: 'Purchases' }).getByRole('row').filter({ hasText: FIXTURE.price });
  await row.getByRole('button', { name: /^Refund: / }).click();
  const dialog = staff.getByRole('dialog');
  await dialog.getByText('The seller’s share and the platform fee are reduced').waitFor();
  await dialog.getByLabel('Amount').fill('20');
  await dialog.getByRole('button', { name: 'Refund' }).click();
  await staff.getByText('$20.00 refunded.').waitFor();
  await row.getByText('Partly refunded').waitFor();
  await row.getByRole('button', { name: /^Refund: / }).click();
  await expect(dialog.getByLabel('Amount')).toHaveValue('30.00');
  await dialog.getByRole('button', { name: 'Refund' }).click();
  await row.getByText('Refunded', { exact: true }).waitFor();
  await expect(row.getByRole('button')).toHaveCount(0);
  assertQuiet(staff);

  await buyer.goto(courseAddress(FIXTURE.slug));
  await buyer.getByRole('button', { name: 'Buy this course' }).waitFor();
  await buyer.context().close();
  await staff.context().close();
});

test('after a while, whatever staff change requires the password', async () => {
  await fixtureSellerIsConnected();
  const buyer = await newPage();
  const email = await signUp(buyer);
  await toCheckout(buyer, FIXTURE.slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  await buyer.context().close();

  const staff = await atUser(email);
  let isEntered = false;
  staff.on('response', (response) => {
    isEntered ||= response.url().endsWith('/sessions/current') && response.status() === 204;
  });
  const refusal = { status: 403, contentType: 'application/problem+json', body: JSON.stringify({ code: 'password_required' }) };
  const refuse = (route) => (['PATCH', 'POST'].includes(route.request().method()) && !isEntered ? route.fulfill(refusal) : route.continue());
  await staff.route('**/api/admin/users/*', refuse);
  await staff.route('**/api/purchases/*/refund', refuse);
  const again = staff.getByRole('dialog', { name: 'Enter your password' });
  const enter = async () => {
    await again.getByLabel('Password').fill(FIXTURE_PASSWORD);
    await again.getByRole('button', { name: 'Continue' }).click();
    await again.waitFor({ state: 'detached' });
  };

  await staff.getByRole('button', { name: `Make seller: ${email}` }).click();
  await again.getByRole('button', { name: 'Cancel' }).click();
  await staff.getByText(`${email} wasn’t changed.`).waitFor();
  await staff.getByText('Enter your password to do this.').waitFor();
  await staff.getByRole('button', { name: `Make seller: ${email}` }).click();
  await enter();
  await staff.getByText(`${email} is now a seller.`).waitFor();

  isEntered = false;
  const form = staff.locator('#terms-form');
  await form.getByLabel('Platform fee in percent').fill('10');
  await form.getByRole('button', { name: 'Save terms' }).click();
  await enter();
  await staff.getByText('Terms saved.').waitFor();

  isEntered = false;
  const row = staff.getByRole('table', { name: 'Purchases' }).getByRole('row').filter({ hasText: FIXTURE.price });
  await row.getByRole('button', { name: /^Refund: / }).click();
  await staff.getByRole('dialog', { name: 'Refund this payment?' }).getByRole('button', { name: 'Refund' }).click();
  await enter();
  await row.getByText('Refunded', { exact: true }).waitFor();
  await staff.context().close();
});

test('staff see an erased user’s purchases, and nothing for an unknown id', async () => {
  const page = await newPage();
  await logIn(page, STAFF);
  await page.goto('/staff-user.html?id=usr_0000000000000000');
  await page.getByText('This user’s account was deleted.').waitFor();
  await page.getByText('No purchases yet.').waitFor();
  await page.getByText('No sales yet.').waitFor();
  await page.goto('/staff-user.html');
  await page.getByText('No user selected.').waitFor();
  assertQuiet(page, { except: [404] });
  await page.context().close();
});

test('others do not see a user’s page', async () => {
  const page = await newPage();
  await signUp(page);
  await page.goto('/staff-user.html?id=usr_0000000000000000');
  await page.getByText('This desk is for staff.').waitFor();
  await expect(page.locator('#desk')).toBeHidden();
  assertQuiet(page);
  await page.context().close();
});

test('findings show what was found, the user and whether it is resolved, and an outage is reported', async () => {
  const page = await newPage();
  await logIn(page, STAFF);
  const finding = { id: 'fnd_1', kind: 'books_difference', message: 'a refund in our books is not at Stripe', purchase_id: 'pur_1', buyer_id: 'usr_0000000000000000', account: 'acct_1', stripe_id: 're_1', currency: 'jpy', amount: -500, ours: -500, stripe: null, reason: null, found_at: '2026-11-01T08:00:00Z', last_found_at: '2026-11-01T08:00:00Z', settled_at: null };
  const pages = [
    { items: [finding], next_cursor: 'more' },
    { items: [{ ...finding, id: 'fnd_2', kind: 'repair_failed', message: 'a purchase could not be continued', reason: 'payment_provider_timeout', currency: null, amount: null, ours: null, stripe_id: null, settled_at: '2026-11-02T08:00:00Z' }], next_cursor: null },
  ];
  await page.route('**/api/admin/findings*', (route) => route.fulfill({ json: pages[route.request().url().includes('cursor=more') ? 1 : 0] }));
  await page.goto('/staff.html');
  const rows = page.getByRole('table', { name: 'Findings' }).getByRole('row');
  await rows.nth(1).waitFor();
  const first = await rows.nth(1).getByRole('cell').allInnerTexts();
  assert.match(first[1], /^A refund in our books is not at Stripe\.\s+re_1\s*on acct_1\s*pur_1$/);
  assert.deepEqual([first[2], first[3]], ['Needs attention', '-¥500\nhere -¥500, at Stripe nothing']);
  await page.getByRole('button', { name: 'Show more findings' }).click();
  await rows.nth(2).waitFor();
  const second = await rows.nth(2).getByRole('cell').allInnerTexts();
  assert.match(second[1], /payment_provider_timeout/);
  assert.deepEqual([second[2], second[3]], ['Resolved', '–']);
  await expect(page.locator('#figures')).toHaveText(/Need attention\s+1\s+Resolved\s+1/, { useInnerText: true });
  assertQuiet(page);

  await page.unroute('**/api/admin/findings*');
  await page.route('**/api/admin/findings*', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', json: { code: 'unavailable', status: 503, request_id: 'the-request' } }));
  await page.reload();
  const trouble = page.getByRole('alert').filter({ hasText: 'We couldn’t load the findings.' });
  await trouble.getByText('the-request').waitFor();
  await page.unroute('**/api/admin/findings*');
  await trouble.getByRole('button', { name: 'Try again' }).click();
  // Other tests leave findings, so the content depends on the stack.
  await page.getByRole('table', { name: 'Findings' }).or(page.getByText('No findings.')).waitFor();
  await page.context().close();
});

test('staff answer a dispute from a draft, and it is submitted once', async () => {
  const { page: seller, email: sellersEmail } = await newSeller();
  await seller.goto('/');
  await connect(seller);
  const title = `Disputed ${Date.now()}`;
  const slug = await makeCourse(seller, { title, price: '20.00' });
  const staff = await atUser(sellersEmail);
  const terms = staff.locator('#terms-form');
  await terms.getByLabel('Charge type').selectOption('destination');
  await terms.getByRole('button', { name: 'Save terms' }).click();
  await staff.getByText('Terms saved.').waitFor();

  const buyer = await newPage();
  const email = await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer, DISPUTED_CARD);
  await buyer.waitForURL(/\/purchase\.html\?id=/);
  await staff.goto('/staff.html#disputes');
  const row = staff.getByRole('table', { name: 'Open disputes' }).getByRole('row').filter({ hasText: title });
  await expect(async () => {
    await staff.reload();
    await expect(row.getByText('Disputed', { exact: true })).toBeVisible({ timeout: 2000 });
  }, 'the bank disputes it a moment later').toPass();
  await expect(row.getByRole('cell').first().locator('time'), 'the day by which to answer').toHaveAttribute('datetime', /T23:59:59Z$/);
  await row.getByRole('button', { name: `Answer: ${title}` }).click();
  const dialog = staff.getByRole('dialog', { name: 'Answer this dispute' });
  await expect(dialog.getByLabel('Buyer’s email')).toHaveValue(email);
  await expect(dialog.getByLabel('What was sold')).toHaveValue(new RegExp(`^An online course: “${title}”`));
  await dialog.getByLabel('Proof that the buyer opened it').fill('Opened it on the day of the purchase.');
  await dialog.getByRole('button', { name: 'Save without submitting' }).click();
  await staff.getByText('Evidence saved at Stripe.').waitFor();
  await row.getByText('Evidence saved, not submitted').waitFor();

  await row.getByRole('button', { name: `Answer: ${title}` }).click();
  await expect(dialog.getByLabel('Proof that the buyer opened it')).toHaveValue('Opened it on the day of the purchase.');
  await dialog.getByRole('button', { name: 'Submit to the bank' }).click();
  await staff.getByRole('dialog', { name: 'Submit this evidence?' }).getByRole('button', { name: 'Submit' }).click();
  await staff.getByText('Evidence submitted. The bank decides').waitFor();
  await row.getByText('Evidence submitted', { exact: true }).waitFor();
  await expect(async () => {
    await staff.reload();
    await expect(row.getByText('With the bank')).toBeVisible({ timeout: 2000 });
  }, 'Stripe’s event brings the new status').toPass();
  await expect(row.getByRole('button')).toHaveCount(0);
  assertQuiet(staff);
  await staff.context().close();
  await buyer.context().close();
  await seller.context().close();
});

test('a buyer who asks to become a seller is accepted, or declined and told why and until when', async () => {
  const staff = await newPage();
  await logIn(staff, STAFF);
  const asks = async (text) => {
    const page = await newPage();
    const email = await signUp(page);
    await confirmAddress(page);
    await visit(page, '/account.html#settings');
    const form = page.getByRole('form', { name: 'Sell here' });
    await form.getByLabel('About you and your courses').fill(text);
    await form.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Your application is waiting for the staff.').waitFor();
    await staff.goto('/staff.html#applications');
    await staff.reload();
    const row = staff.getByRole('table', { name: 'Applications' }).getByRole('row').filter({ hasText: email });
    await row.getByText(text).waitFor();
    return { page, email, form, row };
  };

  const one = await asks('I teach sums.');
  await one.row.getByRole('button', { name: `Decline: ${one.email}` }).click();
  const dialog = staff.getByRole('dialog', { name: 'Decline this application?' });
  await dialog.getByLabel('What to tell them').fill('Show us a lesson.');
  await dialog.getByRole('button', { name: 'Decline' }).click();
  await staff.getByText(`The application of ${one.email} was declined.`).waitFor();
  await expect(one.row).toHaveCount(0);
  await one.page.reload();
  await one.page.getByText('Show us a lesson.').waitFor();
  await one.page.getByText('You can apply again from').waitFor();
  await expect(one.form).toHaveCount(0);

  const other = await asks('Here is a lesson.');
  await other.row.getByRole('button', { name: `Make seller: ${other.email}` }).click();
  const welcome = staff.getByRole('dialog', { name: 'Make them a seller?' });
  await welcome.getByLabel('What to tell them (optional)').fill('We look forward to it.');
  await welcome.getByRole('button', { name: 'Make seller' }).click();
  await staff.getByText(`${other.email} is now a seller.`).waitFor();
  await expect(other.row).toHaveCount(0);
  await other.page.reload();
  await other.page.getByRole('link', { name: 'Seller desk' }).waitFor();
  await expect(other.page.getByRole('heading', { name: 'Sell here' })).toBeHidden();
  for (const page of [staff, one.page, other.page]) {
    assertQuiet(page);
    await page.context().close();
  }
});

test('the audit log says in words what was done to whom', async () => {
  const page = await newPage();
  await logIn(page, STAFF);
  const common = { id: 'aud_1', at: '2026-11-01T08:00:00Z', by: 'staff', staff_id: 'usr_1111111111111111', user_id: 'usr_0000000000000000' };
  const entries = [
    { ...common, action: 'suspension', from: {}, to: { suspended: { reason: 'Sells copies', at: common.at } } },
    { ...common, id: 'aud_2', action: 'course_fee', course_id: 'crs_1', from: { fee_percent: 50 }, to: { fee_percent: 12 } },
    { ...common, id: 'aud_3', action: 'terms', from: {}, to: { terms: { fee_percent: 7, fee_fixed: { usd: 30 } } } },
    { ...common, id: 'aud_4', action: 'refund', purchase_id: 'pur_1', amount: { amount: 700, currency: 'usd' }, platform_pays: true },
    { ...common, id: 'aud_5', by: 'operator', staff_id: undefined, action: 'staff_role', from: { is_staff: false }, to: { is_staff: true } },
  ];
  await page.route('**/api/admin/audit*', (route) => route.fulfill({ json: { items: entries, next_cursor: null } }));
  await page.goto('/staff.html#audit');
  const rows = page.getByRole('table', { name: 'Audit log' }).getByRole('row');
  await rows.nth(5).waitFor();
  const cells = async (row) => rows.nth(row).getByRole('cell').allInnerTexts();
  assert.match((await cells(1))[1], /^Suspended\s+Sells copies$/);
  assert.match((await cells(2))[1], /^Course’s fee changed from 50% to 12%\s+crs_1$/);
  assert.match((await cells(3))[1], /^Terms set\s+From the platform’s to 7%; fixed fee \$0\.30$/);
  assert.match((await cells(4))[1], /^Refund of \$7\.00 to the buyer, paid by the platform\s+pur_1$/);
  assert.match((await cells(5))[1], /^Made a staff member$/);
  assert.equal((await cells(5))[3], 'An operator’s command');
  assert.equal(await rows.nth(1).getByRole('link').first().getAttribute('href'), '/staff-user.html?id=usr_0000000000000000');
  assertQuiet(page);
  await page.context().close();
});

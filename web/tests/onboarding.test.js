/** An account that a seller creates here: unfinished, finished, its dashboard, its balance and payouts. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, expect, newPage, newTab } from './browser.js';
import { makeCourse, newSeller, pay, purchaseIs, signUp, toCheckout, visit } from './people.js';

const PLACE = '/seller.html';
const decide = (page, decision) => page.locator(`[name=decision][value=${decision}]`).click();
const accountOf = async (page) => (await page.request.get('/api/users/me/stripe')).json();
/** Its funds can be paid out at once. */
const AVAILABLE_AT_ONCE = '4000 0000 0000 0077';
/** Stripe redirects back, and the page removes the marker from the URL. */
const isBack = (page) => page.waitForURL((url) => url.pathname === PLACE && url.search === '');

test('an interrupted onboarding shows what is missing, and can be finished and paid', async () => {
  const { page } = await newSeller();
  await page.goto(PLACE);
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  await decide(page, 'later');
  await isBack(page);
  await page.getByText('Something is still missing.').waitFor();
  await page.getByText('Connected, can’t be paid yet').waitFor();
  const wanted = page.locator('.wanted');
  await wanted.getByText(/^A bank account for your payouts, since .+, \d{4}$/).waitFor();
  const lines = await wanted.getByRole('listitem').allInnerTexts();
  assert.equal(new Set(lines).size, lines.length, 'each thing is named once');
  assert.equal(lines.some((line) => /[._]/.test(line)), false, 'none by Stripe’s own name for it');
  await expect(page.getByRole('button', { name: 'Open your Stripe dashboard' })).toHaveCount(0);

  await page.getByRole('button', { name: 'Finish at Stripe' }).click();
  await decide(page, 'submit');
  await isBack(page);
  await page.getByText('Your Stripe account is set up.').waitFor();
  await expect(wanted).toHaveCount(0);
  await visit(page, '/seller.html#payouts');
  await page.getByText('No payouts yet.').waitFor();

  const slug = await makeCourse(page, { title: `From a new account ${Date.now()}`, price: '30.00' });
  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  await visit(page, '/seller.html#payouts');
  // Half of it is the platform's.
  await page.locator('#money').getByText('$15.00').waitFor();

  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  await page.getByRole('button', { name: 'Open your Stripe dashboard' }).click();
  await page.getByRole('heading', { name: 'Express Dashboard' }).waitFor();
  await page.goBack();
  await page.getByRole('button', { name: 'Disconnect' }).waitFor();
  assertQuiet(page);
  assertQuiet(buyer);
  await page.context().close();
  await buyer.context().close();
});

test('an expired URL at Stripe is replaced by a new one', async () => {
  const { page } = await newSeller();
  await page.goto(PLACE);
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  await decide(page, 'later');
  await isBack(page);
  const tab = await newTab(page);
  await tab.goto(`${PLACE}?onboarding=refresh`);
  await decide(tab, 'submit');
  await isBack(tab);
  await tab.getByText('Your Stripe account is set up.').waitFor();
  assertQuiet(tab);
  assertQuiet(page);
  await page.context().close();
});

test('an account without a dashboard is set up here, its details change here, and its payouts are shown here', async () => {
  const { page } = await newSeller();
  await page.goto(PLACE);
  await page.getByRole('button', { name: 'Set up without a dashboard' }).click();
  await decide(page, 'later');
  await isBack(page);
  await page.getByText('Connected, can’t be paid yet').waitFor();
  assert.equal((await accountOf(page)).account_type, 'custom');
  await page.getByRole('button', { name: 'Finish at Stripe' }).click();
  await page.locator('[name=decision]').first().waitFor();
  const stripe = new URL(page.url()).origin;
  await decide(page, 'submit');
  await isBack(page);
  await page.getByText('Your Stripe account is set up.').waitFor();
  await expect(page.getByRole('button', { name: 'Open your Stripe dashboard' })).toHaveCount(0);
  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  await page.getByRole('button', { name: 'Change details at Stripe' }).click();
  await decide(page, 'submit');
  await isBack(page);

  const slug = await makeCourse(page, { title: `From an account of ours ${Date.now()}`, price: '30.00' });
  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer, AVAILABLE_AT_ONCE);
  await purchaseIs(buyer, 'paid');
  const { account_id: account } = await accountOf(page);
  const made = await page.request.post(`${stripe}/_admin/accounts/${account}/payout`);
  const { payouts: [payout] } = await made.json();

  const rows = page.getByRole('table', { name: 'Payouts' }).getByRole('row');
  const line = async () => (await rows.nth(1).getByRole('cell').allInnerTexts()).slice(1);
  await visit(page, '/seller.html#payouts');
  await rows.nth(1).waitFor();
  await expect.poll(line).toEqual(['Scheduled', '$15.00']);
  await page.request.post(`${stripe}/_admin/payouts/${payout}/arrive`);
  await page.reload();
  await rows.getByText('Paid out').waitFor();
  await page.request.post(`${stripe}/_admin/payouts/${payout}/fail`, { data: { reason: 'account_closed' } });
  await page.reload();
  await rows.getByText('The bank account is closed.').waitFor();
  // The bank returned it, so it can be paid out again.
  await page.locator('#money dl').getByText('$15.00').waitFor();
  assertQuiet(page);
  assertQuiet(buyer);
  await page.context().close();
  await buyer.context().close();
});

test('a seller abroad chooses a country, is told of a refused one, and joins', async () => {
  const { page } = await newSeller({ locale: 'de-DE' });
  await page.goto(PLACE);
  const country = page.getByLabel('Country');
  await expect(country.locator('option:checked')).toHaveText('Vereinigte Staaten');
  // A country that Stripe does not know.
  await country.evaluate((select) => select.add(new Option('QQ', 'QQ')));
  await country.selectOption('QQ');
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  await page.getByRole('alert').getByText('Stripe can’t set up an account in this country').waitFor();
  await expect(country).toBeFocused();
  assert.deepEqual(await accountOf(page), { connected: false });
  // Where a platform in the United States only pays accounts out.
  await country.selectOption('Philippinen');
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  await decide(page, 'submit');
  await isBack(page);
  await page.getByText('Your Stripe account is set up.').waitFor();
  const account = await accountOf(page);
  assert.deepEqual([account.country, account.capabilities], ['PH', { card_payments: 'unrequested', transfers: 'active' }]);
  const slug = await makeCourse(page, { title: `From abroad ${Date.now()}`, price: '30.00' });
  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  assertQuiet(page, { except: [422] });
  assertQuiet(buyer);
  await page.context().close();
  await buyer.context().close();
});

test('a seller whose settings can’t be loaded chooses a country', async () => {
  const { page } = await newSeller();
  await page.route('**/api/config', (route) => route.fulfill({ status: 503, json: {} }));
  await page.goto(PLACE);
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  await page.getByRole('alert').getByText('Choose your country.').waitFor();
  await page.getByLabel('Country').selectOption('US');
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  await decide(page, 'submit');
  await isBack(page);
  await page.getByText('Your Stripe account is set up.').waitFor();
  assert.equal((await accountOf(page)).country, 'US');
  await page.context().close();
});

test('the desk says what was wrong, what Stripe is checking, and what will be needed later', async () => {
  const { page } = await newSeller();
  await page.goto(PLACE);
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  const stripe = await page.locator('[name=decision]').first().evaluate(() => window.location.origin);
  await decide(page, 'submit');
  await isBack(page);
  await expect(page.locator('#stripe .label')).toHaveText('Connected');
  const { account_id: account } = await accountOf(page);
  const tell = async (data, is) => {
    await page.request.post(`${stripe}/_admin/accounts/${account}/requirements`, { data });
    await expect.poll(async () => is(await accountOf(page))).toBe(true);
  };
  const reason = 'The image was <b>not</b> readable.';
  const failure = { requirement: 'individual.verification.document', code: 'verification_document_not_readable', reason };
  await tell({ verdict: 'failed', failure }, ({ requirements }) => requirements.errors.length === 1);
  await visit(page, PLACE);
  const needed = page.locator('#attention');
  await needed.getByText('Until you provide what is overdue, nobody can buy from you, and you’re paid nothing out.').waitFor();
  await needed.getByRole('listitem').filter({ hasText: 'A photo of an identity document' }).getByText(`What was wrong: ${reason}`).waitFor();

  await tell({ verdict: 'pending' }, ({ requirements }) => requirements.pending_verification.length === 1);
  await visit(page, PLACE);
  await needed.getByRole('heading', { name: 'Stripe is checking' }).waitFor();
  await needed.getByText('There’s nothing for you to do here.').waitFor();
  assert.equal(await needed.getByText('Stripe still needs').count(), 0);

  await tell({ verdict: 'complete' }, ({ sells }) => sells);
  await tell({ demand: ['individual.id_number'], seconds: 30 * 86_400, later: true }, ({ future_requirements: later }) => later.currently_due.length === 1);
  await visit(page, `${PLACE}#settings`);
  const settings = page.locator('#settings');
  await settings.getByRole('heading', { name: 'Needed later' }).waitFor();
  await settings.getByText(/^From \w+ \d+, \d+, Stripe will need these as well\.$/).waitFor();
  await settings.getByRole('listitem').getByText('A tax or identity number').waitFor();
  const someday = settings.getByText(/^Stripe may ask for more later:/);
  await expect(someday).toHaveCount(0);

  await tell({ demand: ['individual.phone', 'individual.id_number'], eventually: true }, ({ requirements }) => requirements.eventually_due.length === 2);
  await visit(page, `${PLACE}#settings`);
  // Each once, in the list with the date if there is one, and calmly: the account is as connected as before.
  await expect(someday).toHaveText('Stripe may ask for more later: Contact details: email and phone. There’s no hurry.');
  await expect(settings.locator('#stripe .label')).toHaveText('Connected');
  assertQuiet(page);
  await page.context().close();
});

test('an account that takes cards and receives no transfers is not called connected, because nothing is sold', async () => {
  const { page } = await newSeller();
  await page.goto(PLACE);
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  const stripe = await page.locator('[name=decision]').first().evaluate(() => window.location.origin);
  await decide(page, 'submit');
  await isBack(page);
  const label = page.locator('#stripe .label');
  await expect(label).toHaveText('Connected');
  const { account_id: account } = await accountOf(page);
  const set = (transfers) => page.request.post(`${stripe}/_admin/accounts/${account}`, { data: { charges_enabled: true, capabilities: { card_payments: 'active', transfers } } });
  for (const [transfers, todo] of [['pending', 'Stripe is checking your details.'], ['inactive', 'Contact Stripe’s support.']]) {
    await set(transfers);
    await expect.poll(async () => (await accountOf(page)).capabilities.transfers).toBe(transfers);
    await visit(page, PLACE);
    // Above all sections, because it needs attention.
    await page.locator('#attention').getByText(`Nobody can buy from you. Stripe doesn’t let this account receive transfers at the moment, and your sales are paid with them. ${todo}`).waitFor();
    await expect(label).toHaveText('Connected, can’t be paid yet');
    await expect(label).toHaveClass(/label-warn/);
  }
  await set('active');
  await expect.poll(async () => (await accountOf(page)).sells).toBe(true);
  await visit(page, `${PLACE}#settings`);
  await expect(label).toHaveText('Connected');
  await expect(label).toHaveClass(/label-good/);
  await page.locator('#settings').getByText('Test mode: no real money moves.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

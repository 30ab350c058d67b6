/** Stripe's components on the seller desk: the stand-in's, and how the real Connect.js is loaded and used. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import axe from 'axe-core';

import { inWords, otherKinds, whyUnpaid } from '../js/requirements.js';
import { assertQuiet, expect, newPage } from './browser.js';
import { connect, makeCourse, newSeller, pay, purchaseIs, signUp, toCheckout, visit } from './people.js';

const KEY = 'pk_test_51ThisIsAKeyOfTheRealStripe';
const PART = '/seller.html#at-stripe';

/** A fake Connect.js, with the setters' names that only Stripe's own package uses. It records how it is used. */
const FAKE = `
globalThis.used = [];
class Component extends HTMLElement {
  setOnExitInternalOnly(listener) { this.exit = listener; }
  setOnLoadErrorInternalOnly(listener) { this.fail = listener; }
  async connectedCallback() {
    globalThis.used.push([this.localName, (await globalThis.secret()).slice(0, 5)]);
    this.textContent = 'Stripe shows ' + this.localName;
  }
}
for (const name of ['notification-banner', 'account-onboarding', 'payments', 'payouts', 'balances', 'documents', 'account-management']) {
  customElements.define('stripe-connect-' + name, class extends Component {});
}
globalThis.StripeConnect = {
  init: ({ publishableKey, fetchClientSecret, appearance }) => {
    globalThis.used.push([publishableKey, Object.keys(appearance.variables).length]);
    globalThis.secret = fetchClientSecret;
    return { create: (name) => document.createElement('stripe-connect-' + name), logout: async () => globalThis.used.push(['logout']) };
  },
};`;

const section = (page) => page.locator('#at-stripe');
const fold = (page, title) => section(page).locator('summary', { hasText: title });
const unfolded = (page, name) => section(page).getByRole('group', { name });

/** Counts what a page loads from Stripe, or from its stand-in by way of the storefront. */
function countLoads(page) {
  page.loads = 0;
  page.on('request', (request) => {
    if (/stripe\.com|\/stripe-stand-in\//.test(request.url())) page.loads += 1;
  });
}

/** A seller with a new, unfinished account. */
async function unfinished() {
  const { page } = await newSeller();
  await page.goto('/seller.html');
  await page.getByRole('button', { name: 'Set up a new account' }).click();
  await page.locator('[name=decision][value=later]').click();
  await page.getByText('Something is still missing.').waitFor();
  countLoads(page);
  return page;
}

test('nothing is loaded before it is opened, and an account is finished there by keyboard', async () => {
  const page = await unfinished();
  await visit(page, PART);
  const open = section(page).getByRole('button', { name: 'Open here' });
  await open.waitFor();
  assert.equal(page.loads, 0);
  await open.press('Enter');
  await fold(page, 'Stripe’s form').waitFor();
  await unfolded(page, 'Notifications').getByText('Stripe needs more information').waitFor();
  await expect(fold(page, 'Stripe’s form')).toBeFocused();
  await page.keyboard.press('Enter');
  const form = unfolded(page, 'Account onboarding');
  await form.getByText('external_account', { exact: true }).waitFor();
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run('#at-stripe'));
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]), []);
  await form.getByRole('button', { name: 'Submit everything' }).press('Enter');
  await page.locator('#settings .label-good').waitFor({ state: 'attached' });
  await expect(fold(page, 'Stripe’s form')).toBeFocused();
  await expect(form).toBeHidden();

  const slug = await makeCourse(page, { title: `Shown at Stripe ${Date.now()}`, price: '30.00' });
  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  await visit(page, PART);
  await open.click();
  await expect(fold(page, 'Stripe’s form')).toHaveCount(0);
  await fold(page, 'Payments and disputes').click();
  const payments = unfolded(page, 'Payments');
  await payments.getByText('$30.00 succeeded').waitFor();
  await payments.getByText('Allowed: dispute_management.').waitFor();
  await fold(page, 'Balances').click();
  // Half of it is the platform's.
  await unfolded(page, 'Balances').getByText('$15.00 pending').waitFor();
  for (const title of ['Payouts', 'Documents', 'Your details']) await fold(page, title).click();
  await unfolded(page, 'Payouts').getByText('There are no payouts.').waitFor();
  await unfolded(page, 'Account management').getByText('Bank account ending in').waitFor();
  assertQuiet(page);
  assertQuiet(buyer);
  await page.context().close();
  await buyer.context().close();
});

test('without an account there is nothing to open, and a disconnected one is closed', async () => {
  const { page } = await newSeller();
  countLoads(page);
  await visit(page, PART);
  await section(page).getByText('Connect a Stripe account to see it here.').waitFor();
  await connect(page);
  await visit(page, PART);
  await section(page).getByRole('button', { name: 'Open here' }).click();
  await fold(page, 'Payments and disputes').click();
  await unfolded(page, 'Payments').waitFor();
  // An account linked by OAuth has its forms at Stripe.
  await expect(fold(page, 'Your details')).toHaveCount(0);
  await page.getByRole('link', { name: 'Settings', exact: true }).click();
  await page.getByRole('button', { name: 'Disconnect' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click();
  await page.getByText('Your Stripe account has been disconnected.').waitFor();
  await page.getByRole('link', { name: 'Stripe', exact: true }).click();
  await section(page).getByText('Connect a Stripe account to see it here.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('with a key of the real Stripe, its own script is loaded, once it is opened', async () => {
  const page = await unfinished();
  await page.route('**/api/config', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), publishable_key: KEY } });
  });
  const scripts = [];
  await page.route('https://*.stripe.com/**', async (route) => {
    scripts.push(route.request().url());
    await route.fulfill({ contentType: 'text/javascript', body: FAKE });
  });
  const secrets = [];
  page.on('response', async (response) => {
    if (response.url().endsWith('/users/me/stripe/session')) secrets.push((await response.json()).client_secret);
  });
  await visit(page, PART);
  const open = section(page).getByRole('button', { name: 'Open here' });
  await open.waitFor();
  assert.equal(page.loads, 0);
  await open.click();
  await section(page).getByText('Stripe shows stripe-connect-notification-banner').waitFor();
  assert.deepEqual(scripts, ['https://connect-js.stripe.com/v1.0/connect.js']);
  await fold(page, 'Stripe’s form').click();
  await section(page).getByText('Stripe shows stripe-connect-account-onboarding').waitFor();
  assert.deepEqual(await page.evaluate(() => globalThis.used), [
    [KEY, 5],
    ['stripe-connect-notification-banner', 'accs_'],
    ['stripe-connect-account-onboarding', 'accs_'],
  ]);
  // The first session is used once, and the second was asked for.
  await expect.poll(() => new Set(secrets).size).toBe(2);
  const answered = page.waitForResponse('**/api/users/me/stripe');
  await page.evaluate(() => document.querySelector('stripe-connect-account-onboarding').exit());
  await answered;
  await page.evaluate(() => document.querySelector('stripe-connect-notification-banner').fail({ error: { type: 'api_error' } }));
  await section(page).getByRole('alert').getByText('“Stripe’s notices” couldn’t be loaded.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('what Stripe refuses is said, and its own pages stay', async () => {
  const page = await unfinished();
  await page.route('**/api/users/me/stripe/session', (route) => route.fulfill({ status: 409, contentType: 'application/problem+json', json: { code: 'components_refused', status: 409 } }));
  await visit(page, PART);
  await section(page).getByRole('button', { name: 'Open here' }).click();
  await section(page).getByRole('alert').getByText('Log in at Stripe instead.').waitFor();
  await page.getByRole('button', { name: 'Finish at Stripe' }).waitFor();
  assert.equal(page.loads, 0);
  assertQuiet(page, { except: [409] });
  await page.context().close();
});

test('paused payouts say why, and what to do', async () => {
  const nothing = { past_due: [], currently_due: [], pending_verification: [], disabled_reason: null };
  const why = (requirements, hasForm = true) => whyUnpaid({ requirements: { ...nothing, ...requirements } }, hasForm);
  const late = { past_due: ['external_account'], disabled_reason: 'requirements.past_due' };
  assert.equal(why(late), 'Stripe is waiting for overdue details. Finish Stripe’s form to be paid again.');
  assert.equal(why(late, false), 'Stripe is waiting for overdue details. Provide them in your Stripe dashboard.');
  assert.equal(why({ ...late, disabled_reason: 'rejected.fraud' }), 'Stripe has rejected this account because it suspects fraud. Contact Stripe’s support.');
  assert.equal(why({ ...late, disabled_reason: 'rejected.platform_other' }), 'The platform has rejected this account. Contact the staff.');
  assert.equal(why({ ...late, disabled_reason: 'rejected.newer' }), 'Stripe has rejected this account. Contact Stripe’s support.');
  assert.equal(why({ pending_verification: ['individual.id_number'] }), 'Stripe is checking your details.');
  assert.match(why({}), /hasn’t said why\. Check your bank details/);

  const { page } = await newSeller();
  await page.goto('/');
  await connect(page);
  await page.route('**/api/users/me/stripe', async (route) => {
    const answer = await route.fetch();
    const account = await answer.json();
    await route.fulfill({ response: answer, json: { ...account, payouts_enabled: false, requirements: { ...account.requirements, ...late } } });
  });
  await visit(page, '/seller.html#payouts');
  await page.locator('#money').getByText('Payouts are paused.').waitFor();
  await page.locator('#money').getByText('Stripe is waiting for overdue details.').waitFor();
  await visit(page, '/seller.html#settings');
  await page.locator('#stripe').getByText('You can sell, but payouts are paused.').waitFor();

  // Once it is known since when.
  await page.route('**/api/users/me/stripe', async (route) => {
    const answer = await route.fetch();
    const paused = { payouts_enabled: false, payouts_disabled_since: '2026-11-30T12:00:00Z' };
    await route.fulfill({ response: answer, json: { ...(await answer.json()), ...paused } });
  });
  await page.reload();
  await page.locator('#stripe').getByText('You can sell, but payouts have been paused since Nov 30, 2026. Stripe hasn’t said why.').waitFor();
  await visit(page, '/seller.html#payouts');
  await page.locator('#money').getByText('Since Nov 30, 2026. Stripe hasn’t said why.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('what is missing is named once, with the day since when all of it was asked for, and what was wrong with it', () => {
  const [early, late] = ['2026-11-01T00:00:00Z', '2026-11-30T00:00:00Z'];
  const missing = [
    { name: 'individual.dob.day', since: late },
    { name: 'external_account', since: late },
    { name: 'individual.dob.month', since: early },
    { name: 'individual.address.city', since: null },
    { name: 'individual.address.line1', since: late },
  ];
  const mismatch = { code: 'verification_failed_keyed_match', reason: 'The birth date could not be verified.' };
  const errors = [
    { ...mismatch, requirement: 'individual.dob.day' },
    { ...mismatch, requirement: 'individual.dob.month' },
    { requirement: 'individual.id_number', code: 'invalid_value_other', reason: 'It is not missing any more.' },
  ];
  assert.deepEqual(inWords({ missing, past_due: ['individual.dob.month'], errors }), [
    { text: 'A date of birth', since: early, late: true, wrong: [mismatch.reason] },
    { text: 'A bank account for your payouts', since: late, late: false, wrong: [] },
    { text: 'An address', since: null, late: false, wrong: [] },
  ]);
  assert.deepEqual(otherKinds(['individual.dob.day', 'individual.id_number', 'company.tax_id'], missing), ['A tax or identity number']);
});

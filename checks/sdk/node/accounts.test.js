// Connected accounts: OAuth, what the platform may do with them, and that they are isolated.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { admin, answerConsent, authorizeUrl, connected, pay, stripe } from './support.js';

test('a code gives tokens once', async () => {
  const { code, state, scope } = await answerConsent(authorizeUrl());
  assert.deepEqual([state, scope], ['s', 'read_write']);
  const token = await stripe.oauth.token({ grant_type: 'authorization_code', code });
  assert.deepEqual([token.scope, token.livemode, token.token_type], ['read_write', false, 'bearer']);
  const own = await stripe.accounts.retrieveCurrent({}, { apiKey: token.access_token });
  assert.equal(own.id, token.stripe_user_id);
  const again = stripe.oauth.token({ grant_type: 'authorization_code', code });
  await assert.rejects(again, { type: 'StripeInvalidGrantError', statusCode: 400 });
  const refreshed = stripe.oauth.token({ grant_type: 'refresh_token', refresh_token: token.refresh_token });
  await assert.rejects(refreshed, { type: 'StripeInvalidGrantError' });
});

test('a refresh token gives a new access token', async () => {
  const { code } = await answerConsent(authorizeUrl());
  const first = await stripe.oauth.token({ grant_type: 'authorization_code', code });
  const second = await stripe.oauth.token({ grant_type: 'refresh_token', refresh_token: first.refresh_token });
  assert.equal(second.stripe_user_id, first.stripe_user_id);
  assert.notEqual(second.access_token, first.access_token);
});

test('a denial redirects to the platform', async () => {
  const { error, state, code } = await answerConsent(authorizeUrl(), 'deny');
  assert.deepEqual([error, state, code], ['access_denied', 's', undefined]);
});

test('Express has its own page', async () => {
  const { code } = await answerConsent(authorizeUrl({ scope: 'express' }, { express: true }));
  const token = await stripe.oauth.token({ grant_type: 'authorization_code', code });
  assert.equal((await stripe.accounts.retrieve(token.stripe_user_id)).type, 'express');
});

test('each OAuth error has its class', async () => {
  for (const [type, params] of [
    ['StripeInvalidGrantError', { grant_type: 'authorization_code', code: 'ac_none' }],
    ['StripeOAuthInvalidRequestError', { grant_type: 'authorization_code' }],
    ['StripeUnsupportedGrantTypeError', { grant_type: 'password' }],
  ]) {
    await assert.rejects(stripe.oauth.token(params), { type, statusCode: 400 });
  }
  const other = stripe.oauth.deauthorize({ client_id: 'ca_other', stripe_user_id: await connected() });
  await assert.rejects(other, { type: 'StripeInvalidClientError' });
});

test('a deauthorized account is closed to the platform', async () => {
  const stripeAccount = await connected();
  assert.equal((await stripe.oauth.deauthorize({ stripe_user_id: stripeAccount })).stripe_user_id, stripeAccount);
  const balance = stripe.balance.retrieve({}, { stripeAccount });
  await assert.rejects(balance, { type: 'StripePermissionError', statusCode: 403, code: 'account_invalid' });
});

test('a read-only account is not written to', async () => {
  const stripeAccount = await connected('read_only');
  assert.deepEqual((await stripe.customers.list({}, { stripeAccount })).data, []);
  await assert.rejects(stripe.customers.create({}, { stripeAccount }), (error) => [401, 403].includes(error.statusCode));
});

test('an account is created, changed and listed', async () => {
  const account = await stripe.accounts.create({ type: 'express', country: 'US', email: 's@example.com' });
  await stripe.accounts.update(account.id, { metadata: { course: 'one' }, business_profile: { name: 'Lessons' } });
  const again = await stripe.accounts.retrieve(account.id);
  assert.deepEqual([again.email, again.metadata.course, again.business_profile.name], ['s@example.com', 'one', 'Lessons']);
  await admin('POST', 'clock/advance', { seconds: 1 });
  const newest = await connected();
  assert.equal((await stripe.accounts.list({ limit: 1 })).data[0].id, newest);
});

test('capabilities are listed and read', async () => {
  const account = await connected();
  const listed = Object.fromEntries((await stripe.accounts.listCapabilities(account)).data.map((one) => [one.id, one.status]));
  assert.deepEqual([listed.card_payments, listed.transfers], ['active', 'active']);
  assert.equal((await stripe.accounts.retrieveCapability(account, 'transfers')).status, 'active');
});

test('an account is onboarded and its dashboard opened', async () => {
  const { id } = await stripe.accounts.create({ type: 'express', country: 'US', capabilities: { transfers: { requested: true } } });
  const addresses = { refresh_url: 'http://localhost/again', return_url: 'http://localhost/back' };
  const link = await stripe.accountLinks.create({ account: id, ...addresses, type: 'account_onboarding' });
  assert.ok(link.expires_at > link.created);
  await assert.rejects(stripe.accounts.createLoginLink(id), { type: 'StripeInvalidRequestError' });
  await admin('POST', `accounts/${id}/requirements`, { verdict: 'complete' });
  const again = await stripe.accounts.retrieve(id);
  assert.deepEqual([again.capabilities.transfers, again.details_submitted], ['active', true]);
  assert.match((await stripe.accounts.createLoginLink(id)).url, /^http/);
  const asked = await stripe.accounts.updateCapability(id, 'card_payments', { requested: true });
  assert.deepEqual([asked.id, asked.status], ['card_payments', 'inactive']);
  assert.equal((await stripe.accounts.reject(id, { reason: 'fraud' })).requirements.disabled_reason, 'rejected.fraud');
});

test('an account session shows components of one account', async () => {
  const { id } = await stripe.accounts.create({ type: 'express', country: 'US', capabilities: { transfers: { requested: true } } });
  const payments = { enabled: true, features: { refund_management: false } };
  const session = await stripe.accountSessions.create({ account: id, components: { payments, payouts: { enabled: true } } });
  assert.deepEqual([session.account, session.components.documents.enabled], [id, false]);
  assert.deepEqual([session.components.payments.features.refund_management, session.components.payouts.features.standard_payouts], [false, false]);
  assert.ok(session.client_secret && session.expires_at > 0);
  const linked = await connected();
  const form = stripe.accountSessions.create({ account: linked, components: { account_onboarding: { enabled: true } } });
  await assert.rejects(form, { type: 'StripeInvalidRequestError', statusCode: 400 });
});

test('accounts do not see each other', async () => {
  const [one, two] = [await connected(), await connected()];
  const customer = await stripe.customers.create({ email: 'a@example.com' }, { stripeAccount: one });
  const payment = await pay({}, { stripeAccount: one });
  assert.equal((await stripe.customers.retrieve(customer.id, {}, { stripeAccount: one })).email, 'a@example.com');
  for (const stripeAccount of [two, undefined]) {
    const missing = { type: 'StripeInvalidRequestError', statusCode: 404, code: 'resource_missing' };
    await assert.rejects(stripe.customers.retrieve(customer.id, {}, { stripeAccount }), missing);
    await assert.rejects(stripe.paymentIntents.retrieve(payment.id, {}, { stripeAccount }), missing);
  }
});

test('bank accounts and persons of an account that the platform created', async () => {
  const individual = { first_name: 'Ada', last_name: 'Example' };
  const { id } = await stripe.accounts.create({ type: 'custom', country: 'US', business_type: 'individual', individual });
  const numbers = { account_number: '000123456789', routing_number: '110000000' };
  const external_account = { object: 'bank_account', country: 'US', currency: 'usd', ...numbers };
  const first = await stripe.accounts.createExternalAccount(id, { external_account });
  const second = await stripe.accounts.createExternalAccount(id, { external_account });
  assert.deepEqual((await stripe.accounts.listExternalAccounts(id)).data.map((one) => one.id), [first.id, second.id]);
  assert.equal((await stripe.accounts.retrieveExternalAccount(id, first.id)).default_for_currency, true);
  assert.equal((await stripe.accounts.updateExternalAccount(id, second.id, { default_for_currency: true })).default_for_currency, true);
  assert.equal((await stripe.accounts.deleteExternalAccount(id, first.id)).deleted, true);
  const person = (await stripe.accounts.listPersons(id)).data[0];
  assert.equal(person.first_name, 'Ada');
  await stripe.accounts.updatePerson(id, person.id, { last_name: 'Another' });
  assert.equal((await stripe.accounts.retrievePerson(id, person.id)).last_name, 'Another');
  assert.equal((await stripe.accounts.del(id)).deleted, true);
  await assert.rejects(stripe.accounts.retrieve(id), { type: 'StripePermissionError' });
});

// Accounts v2.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stripe } from './support.js';

const seller = {
  contact_email: 'seller@example.com',
  dashboard: 'express',
  identity: { country: 'DE', entity_type: 'individual' },
  defaults: { responsibilities: { fees_collector: 'application', losses_collector: 'application' } },
  configuration: {
    merchant: { capabilities: { card_payments: { requested: true } } },
    recipient: { capabilities: { stripe_balance: { stripe_transfers: { requested: true } } } },
  },
};

test('an account is created, changed and closed', async () => {
  const { accounts, accountLinks } = stripe.v2.core;
  const made = await accounts.create({ ...seller, include: ['configuration.merchant', 'requirements'] });
  assert.equal(made.configuration.merchant.capabilities.card_payments.status, 'restricted');
  assert.equal(made.identity, null);
  const seen = await accounts.retrieve(made.id, { include: ['identity', 'defaults'] });
  assert.deepEqual([seen.identity.country, seen.defaults.responsibilities.requirements_collector], ['DE', 'stripe']);
  assert.equal((await accounts.update(made.id, { display_name: 'Ada' })).display_name, 'Ada');
  const refresh_url = 'http://localhost/again';
  const link = await accountLinks.create({
    account: made.id,
    use_case: { type: 'account_onboarding', account_onboarding: { refresh_url } },
  });
  assert.equal(link.account, made.id);
  assert.equal((await stripe.accounts.retrieve(made.id)).type, 'express');
  assert.equal((await accounts.close(made.id, { applied_configurations: ['merchant', 'recipient'] })).closed, true);
});

test('pages are followed', async () => {
  const made = [];
  for (let n = 0; n < 3; n += 1) made.push((await stripe.v2.core.accounts.create(seller)).id);
  const seen = [];
  for await (const account of stripe.v2.core.accounts.list({ limit: 2 })) seen.push(account.id);
  assert.ok(made.every((id) => seen.includes(id)));
});

test('errors have codes', async () => {
  await assert.rejects(stripe.v2.core.accounts.create({ ...seller, dashboard: 'nothing' }), { statusCode: 400, code: 'invalid_fields' });
  await assert.rejects(stripe.v2.core.accounts.retrieve('acct_nobody'), { statusCode: 404, code: 'not_found' });
});

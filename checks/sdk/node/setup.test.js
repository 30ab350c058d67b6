// SetupIntents: cards saved for later.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { admin, ids, pay, stripe } from './support.js';

const buyer = async () => (await stripe.customers.create({ email: 'b@example.com' })).id;

test('a card is set up and pays later', async () => {
  const customer = await buyer();
  const intent = await stripe.setupIntents.create({ customer, allowed_payment_method_types: ['card'] });
  assert.equal(intent.status, 'requires_payment_method');
  await stripe.setupIntents.update(intent.id, { description: 'A card' });
  const done = await stripe.setupIntents.confirm(intent.id, { payment_method: 'pm_card_visa', expand: ['payment_method'] });
  assert.deepEqual([done.status, done.payment_method.customer], ['succeeded', customer]);
  assert.equal((await stripe.setupIntents.retrieve(intent.id)).description, 'A card');
  assert.deepEqual(ids((await stripe.setupIntents.list({ customer })).data), [intent.id]);
  const paid = await pay({ payment_method: done.payment_method.id, customer, off_session: true });
  assert.equal(paid.status, 'succeeded');
});

test('a declined card is not saved, and the bank may require authentication', async () => {
  const customer = await buyer();
  const form = { customer, allowed_payment_method_types: ['card'], confirm: true };
  await assert.rejects(stripe.setupIntents.create({ ...form, payment_method: 'pm_card_chargeDeclined' }), {
    type: 'StripeCardError',
    code: 'card_declined',
  });
  const asked = await stripe.setupIntents.create({ ...form, payment_method: 'pm_card_threeDSecure2Required' });
  assert.equal(asked.status, 'requires_action');
  await admin('POST', `setup_intents/${asked.id}/authenticate`, { outcome: 'fail' });
  assert.equal((await stripe.setupIntents.cancel(asked.id)).status, 'canceled');
});

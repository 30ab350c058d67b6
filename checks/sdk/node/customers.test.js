// Customers and their cards.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { browser, connected, ids, pay, stripe, walk } from './support.js';

test('a customer\'s life', async () => {
  const email = `${randomUUID()}@example.com`;
  const customer = await stripe.customers.create({ email, metadata: { a: '1' } });
  await stripe.customers.update(customer.id, { name: 'N', metadata: { a: '', b: '2' } });
  const found = await stripe.customers.list({ email });
  assert.deepEqual(found.data.map((one) => [one.id, one.name, one.metadata]), [[customer.id, 'N', { b: '2' }]]);
  const query = `metadata['b']:'2' AND email:'${email}'`;
  assert.deepEqual(ids((await stripe.customers.search({ query })).data), [customer.id]);
  assert.equal((await stripe.customers.del(customer.id)).deleted, true);
  assert.equal((await stripe.customers.retrieve(customer.id)).deleted, true);
});

test('lists are walked through all pages, both ways', async () => {
  const stripeAccount = await connected();
  const made = [];
  for (let n = 0; n < 5; n += 1) made.push((await stripe.customers.create({}, { stripeAccount })).id);
  const forwards = await walk(stripe.customers.list({ limit: 2 }, { stripeAccount }));
  assert.deepEqual(ids(forwards), made.toReversed());
  const backwards = await walk(stripe.customers.list({ limit: 2, ending_before: made[0] }, { stripeAccount }));
  assert.deepEqual(ids(backwards), made.slice(1));
  const some = await stripe.customers.list({ limit: 2 }, { stripeAccount }).autoPagingToArray({ limit: 3 });
  assert.deepEqual(ids(some), made.toReversed().slice(0, 3));
});

test('a card is attached, used, changed and detached', async () => {
  const customer = (await stripe.customers.create({ email: 'b@example.com' })).id;
  const card = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' }, billing_details: { name: 'B' } });
  assert.deepEqual([card.card.brand, card.card.last4, card.customer], ['visa', '4242', null]);
  assert.equal((await stripe.paymentMethods.attach(card.id, { customer })).customer, customer);
  assert.deepEqual(ids((await stripe.paymentMethods.list({ customer, type: 'card' })).data), [card.id]);
  assert.deepEqual(ids((await stripe.customers.listPaymentMethods(customer)).data), [card.id]);
  assert.equal((await stripe.customers.retrievePaymentMethod(customer, card.id)).billing_details.name, 'B');
  for (let n = 0; n < 2; n += 1) assert.equal((await pay({ customer, payment_method: card.id })).status, 'succeeded');
  await stripe.paymentMethods.update(card.id, { metadata: { kept: 'yes' } });
  assert.equal((await stripe.paymentMethods.retrieve(card.id)).metadata.kept, 'yes');
  assert.equal((await stripe.paymentMethods.detach(card.id)).customer, null);
  await assert.rejects(pay({ payment_method: card.id }), { type: 'StripeInvalidRequestError' });
});

test('a card is cloned to a connected account', async () => {
  const stripeAccount = await connected();
  const customer = (await stripe.customers.create({})).id;
  const card = await stripe.paymentMethods.create({ type: 'card', card: { token: 'tok_visa' } });
  await stripe.paymentMethods.attach(card.id, { customer });
  const clone = await stripe.paymentMethods.create({ customer, payment_method: card.id }, { stripeAccount });
  assert.equal((await pay({ payment_method: clone.id, application_fee_amount: 100 }, { stripeAccount })).status, 'succeeded');
  await assert.rejects(pay({ payment_method: card.id }, { stripeAccount }), { code: 'resource_missing', param: 'payment_method' });
});

test('a browser creates a single-use token', async () => {
  const card = { number: '5555555555554444', exp_month: 12, exp_year: 2040, cvc: '123' };
  const token = await browser.tokens.create({ card });
  assert.equal((await stripe.tokens.retrieve(token.id)).used, false);
  const method = await stripe.paymentMethods.create({ type: 'card', card: { token: token.id } });
  assert.deepEqual([method.card.brand, method.card.last4], ['mastercard', '4444']);
  const again = stripe.paymentMethods.create({ type: 'card', card: { token: token.id } });
  await assert.rejects(again, { type: 'StripeInvalidRequestError', code: 'token_already_used' });
});

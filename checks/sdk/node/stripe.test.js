// The official Node SDK, as its users write it, against the Stripe stand-in at STRIPE_URL.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import Stripe from 'stripe';

const { hostname, port, origin } = new URL(process.env.STRIPE_URL);
const stripe = new Stripe('sk_test_local', { host: hostname, port, protocol: 'http', maxNetworkRetries: 2 });

/** What the stand-in's admin API does. */
async function admin(path, body = {}) {
  const answer = await fetch(`${origin}/_admin/${path}`, { method: 'POST', body: JSON.stringify(body) });
  return answer.json();
}

const connected = async () => (await admin('accounts')).id;

const pay = (more = {}, options = {}) =>
  stripe.paymentIntents.create(
    { amount: 5000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, automatic_payment_methods: { enabled: true, allow_redirects: 'never' }, ...more },
    options,
  );

async function walk(list) {
  const all = [];
  for await (const one of list) all.push(one);
  return all;
}

test('a direct charge stands on the connected account, with the platform\'s fee', async () => {
  const stripeAccount = await connected();
  const customer = await stripe.customers.create({ email: 'n@example.com' }, { stripeAccount });
  const payment = await pay({ customer: customer.id, application_fee_amount: 500 }, { stripeAccount });
  assert.equal(payment.status, 'succeeded');
  const fees = await stripe.applicationFees.list({ limit: 1 });
  assert.deepEqual([fees.data[0].amount, fees.data[0].account], [500, stripeAccount]);
  const transactions = await walk(stripe.balanceTransactions.list({ limit: 1 }, { stripeAccount }));
  const balance = await stripe.balance.retrieve({}, { stripeAccount });
  const held = [...balance.available, ...balance.pending].reduce((sum, one) => sum + one.amount, 0);
  assert.equal(transactions.reduce((sum, one) => sum + one.net, 0), held);
  await assert.rejects(stripe.paymentIntents.retrieve(payment.id), { code: 'resource_missing' });
});

test('a partial refund takes back its part of the transfer and of the fee', async () => {
  const destination = await connected();
  const payment = await pay({ transfer_data: { destination }, application_fee_amount: 2500 });
  const refund = await stripe.refunds.create({ payment_intent: payment.id, amount: 1000, reverse_transfer: true, refund_application_fee: true });
  assert.deepEqual([refund.status, refund.amount], ['succeeded', 1000]);
  const transactions = await walk(stripe.balanceTransactions.list({}, { stripeAccount: destination }));
  assert.equal(transactions.reduce((sum, one) => sum + one.net, 0), 2000);
});

test('a decline is a StripeCardError', async () => {
  await assert.rejects(pay({ payment_method: 'pm_card_visa_chargeDeclined' }), (error) => {
    assert.deepEqual([error.type, error.statusCode, error.code, error.decline_code], ['StripeCardError', 402, 'card_declined', 'generic_decline']);
    assert.equal(error.payment_intent.status, 'requires_payment_method');
    return true;
  });
});

test('a key is replayed, and guards its parameters', async () => {
  const idempotencyKey = randomUUID();
  const first = await pay({}, { idempotencyKey });
  assert.equal((await pay({}, { idempotencyKey })).id, first.id);
  await assert.rejects(pay({ amount: 5001 }, { idempotencyKey }), { type: 'StripeIdempotencyError' });
});

test('a checkout session is made, listed, read and expired', async () => {
  const session = await stripe.checkout.sessions.create({
    mode: 'payment',
    success_url: 'http://localhost:3000/',
    line_items: [{ price_data: { currency: 'jpy', unit_amount: 500, product_data: { name: 'Course' } }, quantity: 2 }],
  });
  assert.deepEqual([session.status, session.amount_total], ['open', 1000]);
  assert.equal((await stripe.checkout.sessions.listLineItems(session.id)).data[0].quantity, 2);
  assert.equal((await stripe.checkout.sessions.list({ limit: 1 })).data[0].id, session.id);
  assert.equal((await stripe.checkout.sessions.expire(session.id)).status, 'expired');
});

test('a dispute takes the money, and an event says so', async () => {
  const payment = await pay({ payment_method: 'pm_card_createDispute' });
  const disputes = await stripe.disputes.list({ payment_intent: payment.id });
  assert.deepEqual([disputes.data.length, disputes.data[0].amount], [1, 5000]);
  const events = await walk(stripe.events.list({ type: 'charge.dispute.created', limit: 100 }));
  assert.ok(events.some((event) => event.data.object.id === disputes.data[0].id));
});

test('OAuth and wrong requests fail in the SDK\'s own classes', async () => {
  await assert.rejects(stripe.oauth.token({ grant_type: 'authorization_code', code: 'ac_none' }), { type: 'StripeInvalidGrantError' });
  await assert.rejects(stripe.customers.create({ emial: 'x' }), { type: 'StripeInvalidRequestError', code: 'parameter_unknown' });
  await assert.rejects(stripe.balance.retrieve({}, { apiKey: 'sk_test_wrong' }), { type: 'StripeAuthenticationError' });
});

test('lists are walked through all pages', async () => {
  const stripeAccount = await connected();
  const made = [];
  for (let n = 0; n < 5; n += 1) made.unshift((await stripe.customers.create({}, { stripeAccount })).id);
  const walked = await walk(stripe.customers.list({ limit: 2 }, { stripeAccount }));
  assert.deepEqual(walked.map((one) => one.id), made);
});

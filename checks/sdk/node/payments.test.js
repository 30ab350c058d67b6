// PaymentIntents, Checkout Sessions, idempotency, and the SDK's own retries.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import { admin, browser, connected, ids, pay, stripe, walk, withFault } from './support.js';

test('a payment in steps', async () => {
  const { id } = await stripe.paymentIntents.create({ amount: 5000, currency: 'usd', allowed_payment_method_types: ['card'] });
  await stripe.paymentIntents.update(id, { amount: 6000, metadata: { course: 'one' } });
  const confirmed = await stripe.paymentIntents.confirm(id, { payment_method: 'pm_card_visa' });
  assert.deepEqual([confirmed.status, confirmed.amount_received], ['succeeded', 6000]);
  const again = await stripe.paymentIntents.retrieve(id, { expand: ['latest_charge.balance_transaction'] });
  assert.deepEqual([again.metadata.course, again.latest_charge.balance_transaction.amount], ['one', 6000]);
  await stripe.charges.update(again.latest_charge.id, { description: 'D' });
  const charge = await stripe.charges.retrieve(again.latest_charge.id);
  assert.deepEqual([charge.paid, charge.description], [true, 'D']);
  assert.deepEqual(ids((await stripe.charges.list({ payment_intent: id })).data), [charge.id]);
});

test('part of an authorized amount is captured', async () => {
  const { id, status } = await pay({ capture_method: 'manual' });
  assert.equal(status, 'requires_capture');
  const captured = await stripe.paymentIntents.capture(id, { amount_to_capture: 3000 });
  assert.deepEqual([captured.status, captured.amount_received], ['succeeded', 3000]);
});

test('a decline is a StripeCardError', async () => {
  await assert.rejects(pay({ payment_method: 'pm_card_visa_chargeDeclined' }), (error) => {
    assert.deepEqual(
      [error.type, error.statusCode, error.code, error.decline_code],
      ['StripeCardError', 402, 'card_declined', 'generic_decline'],
    );
    assert.equal(error.payment_intent.status, 'requires_payment_method');
    assert.match(error.requestId, /^req_/);
    return true;
  });
});

test('authentication is requested, succeeds, fails, and can be abandoned', async () => {
  const asked = async () => {
    const payment = await pay({ payment_method: 'pm_card_threeDSecure2Required' });
    assert.deepEqual([payment.status, payment.next_action.type], ['requires_action', 'use_stripe_sdk']);
    return payment.id;
  };
  const [succeeds, fails, leaves] = [await asked(), await asked(), await asked()];
  await admin('POST', `payment_intents/${succeeds}/authenticate`, { outcome: 'succeed' });
  await admin('POST', `payment_intents/${fails}/authenticate`, { outcome: 'fail' });
  assert.equal((await stripe.paymentIntents.retrieve(succeeds)).status, 'succeeded');
  assert.equal((await stripe.paymentIntents.retrieve(fails)).status, 'requires_payment_method');
  assert.equal((await stripe.paymentIntents.cancel(leaves)).status, 'canceled');
  await assert.rejects(stripe.paymentIntents.cancel(succeeds), { code: 'payment_intent_unexpected_state' });
});

test('a browser confirms with the client secret', async () => {
  const { id, client_secret } = await stripe.paymentIntents.create({ amount: 5000, currency: 'usd', allowed_payment_method_types: ['card'] });
  const paid = await browser.paymentIntents.confirm(id, { client_secret, payment_method: 'pm_card_visa' });
  assert.equal(paid.status, 'succeeded');
  await assert.rejects(browser.paymentIntents.retrieve(id, { client_secret: `${client_secret}x` }));
  await assert.rejects(browser.paymentIntents.retrieve(id));
});

test('payments are listed by customer', async () => {
  const customer = (await stripe.customers.create({})).id;
  const made = [];
  for (let n = 0; n < 3; n += 1) made.unshift((await pay({ customer })).id);
  await pay();
  assert.deepEqual(ids(await walk(stripe.paymentIntents.list({ customer, limit: 2 }))), made);
});

test('a key is replayed, and guards its parameters', async () => {
  const idempotencyKey = randomUUID();
  const first = await pay({}, { idempotencyKey });
  const again = await pay({}, { idempotencyKey });
  assert.equal(again.id, first.id);
  assert.equal(again.lastResponse.headers['idempotent-replayed'], 'true');
  await assert.rejects(pay({ amount: 5001 }, { idempotencyKey }), { type: 'StripeIdempotencyError' });
});

test('the SDK\'s own retry makes one charge', async () => {
  for (const kind of ['drop_after', 'drop_before', 'html_503']) {
    const customer = (await stripe.customers.create({})).id;
    await withFault({ kind }, { method: 'POST', path: '/v1/payment_intents' }, 1, async () => {
      const payment = await pay({ customer });
      assert.deepEqual((await admin('GET', 'faults')).faults, [], `${kind} hit`);
      assert.deepEqual(ids((await stripe.paymentIntents.list({ customer })).data), [payment.id], kind);
    });
  }
});

test('invalid requests have different errors', async () => {
  for (const [params, code, param] of [
    [{ colour: 'red' }, 'parameter_unknown', 'colour'],
    [{ amount: 49 }, 'amount_too_small', 'amount'],
    [{ customer: 'cus_none' }, 'resource_missing', 'customer'],
  ]) {
    await assert.rejects(pay(params), { type: 'StripeInvalidRequestError', statusCode: 400, code, param });
  }
  const wrong = stripe.balance.retrieve({}, { apiKey: 'sk_test_wrong' });
  await assert.rejects(wrong, { type: 'StripeAuthenticationError', statusCode: 401 });
});

test('lasting failures reach the caller', async () => {
  for (const [effect, type] of [
    [{ kind: 'status', status: 429 }, 'StripeRateLimitError'],
    [{ kind: 'status', status: 500 }, 'StripeAPIError'],
    [{ kind: 'html_503' }, 'StripeAPIError'],
    [{ kind: 'drop_before' }, 'StripeConnectionError'],
  ]) {
    await withFault(effect, { path: '/v1/balance', exact: true }, 3, () =>
      assert.rejects(stripe.balance.retrieve(), { type }, type),
    );
  }
  assert.equal((await stripe.balance.retrieve()).object, 'balance');
});

const open = (more = {}, options = {}) =>
  stripe.checkout.sessions.create(
    {
      mode: 'payment',
      success_url: 'http://localhost:3000/?s={CHECKOUT_SESSION_ID}',
      line_items: [{ price_data: { currency: 'jpy', unit_amount: 500, product_data: { name: 'Course' } }, quantity: 2 }],
      ...more,
    },
    options,
  );

test('a Checkout Session is opened, listed and paid', async () => {
  const destination = await connected();
  const session = await open({ payment_intent_data: { application_fee_amount: 100, transfer_data: { destination } } });
  assert.deepEqual([session.status, session.payment_status, session.amount_total], ['open', 'unpaid', 1000]);
  assert.equal((await stripe.checkout.sessions.listLineItems(session.id)).data[0].quantity, 2);
  assert.equal((await stripe.checkout.sessions.list({ limit: 1 })).data[0].id, session.id);
  await stripe.checkout.sessions.update(session.id, { metadata: { seen: 'yes' } });
  await admin('POST', `checkout/sessions/${session.id}/pay`, { card: 'pm_card_visa' });
  const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ['payment_intent.latest_charge'] });
  assert.deepEqual([paid.status, paid.payment_status, paid.metadata.seen], ['complete', 'paid', 'yes']);
  assert.equal(paid.payment_intent.latest_charge.application_fee_amount, 100);
  await assert.rejects(stripe.checkout.sessions.expire(session.id), { type: 'StripeInvalidRequestError' });
});

test('a Checkout Session expires, and belongs to its account', async () => {
  const stripeAccount = await connected();
  const session = await open({}, { stripeAccount });
  await assert.rejects(stripe.checkout.sessions.expire(session.id), { code: 'resource_missing' });
  assert.equal((await stripe.checkout.sessions.expire(session.id, {}, { stripeAccount })).status, 'expired');
});

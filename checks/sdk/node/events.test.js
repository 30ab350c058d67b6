// Events, read from the API and delivered to webhooks.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connected, pay, stripe, walk, withReceiver } from './support.js';

const secret = 'whsec_interoperation';
const timeout = 20_000;

/** The next delivery of that type, verified by the SDK. */
async function nextOf(type, next) {
  for (;;) {
    const { body, header } = await next();
    const event = stripe.webhooks.constructEvent(body, header, secret);
    if (event.type === type) return { event, body, header };
  }
}

test('a delivery is verified by the SDK', { timeout }, () =>
  withReceiver({ secret }, async (next) => {
    const payment = await pay();
    const { event, body, header } = await nextOf('payment_intent.succeeded', next);
    assert.deepEqual([event.data.object.id, event.livemode], [payment.id, false]);
    assert.equal((await stripe.events.retrieve(event.id)).data.object.id, payment.id);
    const wrong = { type: 'StripeSignatureVerificationError' };
    assert.throws(() => stripe.webhooks.constructEvent(`${body} `, header, secret), wrong);
    assert.throws(() => stripe.webhooks.constructEvent(body, header, 'whsec_other'), wrong);
  }),
);

test('a connected account\'s events only go to the Connect endpoint', { timeout }, () =>
  withReceiver({ secret, connect: true }, async (next) => {
    const stripeAccount = await connected();
    await pay();
    const payment = await pay({}, { stripeAccount });
    const { event } = await nextOf('payment_intent.succeeded', next);
    assert.deepEqual([event.account, event.data.object.id], [stripeAccount, payment.id]);
    await assert.rejects(stripe.events.retrieve(event.id), { code: 'resource_missing' });
    assert.equal((await stripe.events.retrieve(event.id, {}, { stripeAccount })).id, event.id);
  }),
);

test('events are listed by type, page by page', async () => {
  const stripeAccount = await connected();
  const payments = [];
  for (let n = 0; n < 3; n += 1) payments.unshift((await pay({}, { stripeAccount })).id);
  const events = await walk(stripe.events.list({ type: 'payment_intent.succeeded', limit: 2 }, { stripeAccount }));
  assert.deepEqual(events.map((event) => event.data.object.id), payments);
});

// Early fraud warnings and reviews.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stripe } from './support.js';

const pay = (payment_method) =>
  stripe.paymentIntents.create({
    amount: 5000,
    currency: 'usd',
    confirm: true,
    payment_method,
    automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
  });

test('a warning is found by its charge, and cannot be acted on once it was refunded', async () => {
  const { id, latest_charge: charge } = await pay('pm_card_createIssuerFraudRecord');
  const [warning] = (await stripe.radar.earlyFraudWarnings.list({ charge })).data;
  assert.deepEqual([warning.payment_intent, warning.actionable], [id, true]);
  await stripe.refunds.create({ charge });
  assert.equal((await stripe.radar.earlyFraudWarnings.retrieve(warning.id)).actionable, false);
});

test('a payment is blocked, and another is reviewed', async () => {
  await assert.rejects(pay('pm_card_riskLevelHighest'), { type: 'StripeCardError', decline_code: 'fraudulent' });
  const { review } = await stripe.charges.retrieve((await pay('pm_card_riskLevelElevated')).latest_charge);
  assert.ok((await stripe.reviews.list()).data.some((one) => one.id === review));
  assert.equal((await stripe.reviews.retrieve(review)).open, true);
  assert.equal((await stripe.reviews.approve(review)).closed_reason, 'approved');
});

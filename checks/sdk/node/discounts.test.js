// Coupons and promotion codes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { admin, stripe } from './support.js';

test('a promotion code makes an order free', async () => {
  const coupon = await stripe.coupons.create({ percent_off: 100 });
  assert.equal((await stripe.coupons.retrieve(coupon.id)).percent_off, 100);
  assert.ok((await stripe.coupons.list()).data.some((one) => one.id === coupon.id));
  const code = await stripe.promotionCodes.create({ promotion: { type: 'coupon', coupon: coupon.id } });
  assert.equal((await stripe.promotionCodes.retrieve(code.id)).code, code.code);
  assert.deepEqual((await stripe.promotionCodes.list({ coupon: coupon.id })).data.map((one) => one.id), [code.id]);
  const session = await stripe.checkout.sessions.create({
    mode: 'payment',
    success_url: 'http://localhost/done',
    allow_promotion_codes: true,
    line_items: [{ price_data: { currency: 'usd', unit_amount: 500, product_data: { name: 'Course' } }, quantity: 1 }],
  });
  await admin('POST', `checkout/sessions/${session.id}/pay`, { promotion_code: code.code });
  const done = await stripe.checkout.sessions.retrieve(session.id);
  assert.deepEqual([done.payment_status, done.payment_intent], ['no_payment_required', null]);
  assert.equal((await stripe.promotionCodes.update(code.id, { active: false })).active, false);
  assert.equal((await stripe.coupons.del(coupon.id)).deleted, true);
});

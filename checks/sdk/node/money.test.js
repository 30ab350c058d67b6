// Movements of money: balances, refunds, transfers, application fees, disputes.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { afterEach, test } from 'node:test';

import { admin, connected, held, ids, net, pay, stripe } from './support.js';

afterEach(async () => assert.equal((await admin('GET', 'books')).balanced, true));

test('a direct charge is on the connected account, with the platform\'s fee', async () => {
  const stripeAccount = await connected();
  const payment = await pay({ application_fee_amount: 500 }, { stripeAccount });
  assert.equal(await net(stripeAccount), await held(stripeAccount));
  assert.equal(await net(), await held());
  const newest = (await stripe.balanceTransactions.list({ type: 'charge' }, { stripeAccount })).data[0];
  const again = await stripe.balanceTransactions.retrieve(newest.id, {}, { stripeAccount });
  assert.deepEqual([again.amount, again.net, again.source], [5000, 5000 - again.fee, payment.latest_charge]);
  assert.equal(again.fee_details.find((one) => one.type === 'application_fee').amount, 500);
});

test('a refund reverses its part of the transfer and refunds its part of the fee', async () => {
  const destination = await connected();
  const payment_intent = (await pay({ transfer_data: { destination }, application_fee_amount: 2500 })).id;
  assert.equal(await net(destination), 2500);
  const back = { payment_intent, reverse_transfer: true, refund_application_fee: true };
  const part = await stripe.refunds.create({ ...back, amount: 1000 });
  assert.deepEqual([part.status, part.amount, await net(destination)], ['succeeded', 1000, 2000]);
  const rest = await stripe.refunds.create(back);
  assert.deepEqual([rest.amount, await net(destination)], [4000, 0]);
  assert.deepEqual(ids((await stripe.refunds.list({ payment_intent })).data), [rest.id, part.id]);
  await stripe.refunds.update(part.id, { metadata: { why: 'late' } });
  assert.equal((await stripe.refunds.retrieve(part.id)).metadata.why, 'late');
  await assert.rejects(stripe.refunds.create(back), { type: 'StripeInvalidRequestError', code: 'charge_already_refunded' });
});

test('a transfer and its reversals', async () => {
  const [destination, transfer_group] = [await connected(), randomUUID()];
  const charge = await pay({ amount: 8000, payment_method: 'pm_card_bypassPending', transfer_group });
  const { id } = await stripe.transfers.create({
    amount: 3000,
    currency: 'usd',
    destination,
    source_transaction: charge.latest_charge,
    transfer_group,
  });
  assert.deepEqual(ids((await stripe.transfers.list({ transfer_group })).data), [id]);
  await stripe.transfers.update(id, { metadata: { part: 'first' } });
  const first = await stripe.transfers.createReversal(id, { amount: 1000 });
  assert.equal(await net(destination), 2000);
  const rest = await stripe.transfers.createReversal(id);
  assert.equal((await stripe.transfers.retrieveReversal(id, rest.id)).amount, 2000);
  assert.deepEqual(ids((await stripe.transfers.listReversals(id)).data), [rest.id, first.id]);
  const after = await stripe.transfers.retrieve(id);
  assert.deepEqual([after.reversed, after.metadata.part, await net(destination)], [true, 'first', 0]);
});

test('an application fee and its refunds', async () => {
  const stripeAccount = await connected();
  const charge = (await pay({ application_fee_amount: 500 }, { stripeAccount })).latest_charge;
  const fee = (await stripe.applicationFees.list({ charge })).data[0];
  assert.deepEqual([fee.amount, fee.account], [500, stripeAccount]);
  const before = await net(stripeAccount);
  const part = await stripe.applicationFees.createRefund(fee.id, { amount: 200 });
  const rest = await stripe.applicationFees.createRefund(fee.id);
  assert.equal((await stripe.applicationFees.retrieveRefund(fee.id, rest.id)).amount, 300);
  assert.deepEqual(ids((await stripe.applicationFees.listRefunds(fee.id)).data), [rest.id, part.id]);
  const after = await stripe.applicationFees.retrieve(fee.id);
  assert.deepEqual([after.refunded, await net(stripeAccount)], [true, before + 500]);
});

test('a dispute withdraws the money until it is won', async () => {
  const payment_intent = (await pay({ payment_method: 'pm_card_createDispute' })).id;
  const dispute = (await stripe.disputes.list({ payment_intent })).data[0];
  assert.equal(dispute.amount, 5000);
  const changed = await stripe.disputes.update(dispute.id, { evidence: { product_description: 'A course' }, submit: true });
  assert.equal(changed.status, 'under_review');
  const lost = await held();
  await admin('POST', `disputes/${dispute.id}/close`, { outcome: 'won' });
  assert.deepEqual([(await stripe.disputes.retrieve(dispute.id)).status, await held()], ['won', lost + 6500]);
});

test('a dispute is conceded', async () => {
  const payment_intent = (await pay({ payment_method: 'pm_card_createDispute' })).id;
  const dispute = (await stripe.disputes.list({ payment_intent })).data[0];
  const lost = await held();
  assert.deepEqual([(await stripe.disputes.close(dispute.id)).status, await held()], ['lost', lost]);
});

test('a payout is created, annotated and canceled', async () => {
  const stripeAccount = await connected();
  await pay({ payment_method: 'pm_card_bypassPending' }, { stripeAccount });
  const { id, status } = await stripe.payouts.create({ amount: 1000, currency: 'usd' }, { stripeAccount });
  assert.equal(status, 'pending');
  await stripe.payouts.update(id, { metadata: { week: '1' } }, { stripeAccount });
  assert.equal((await stripe.payouts.retrieve(id, {}, { stripeAccount })).metadata.week, '1');
  assert.deepEqual(ids((await stripe.payouts.list({}, { stripeAccount })).data), [id]);
  assert.equal((await stripe.payouts.cancel(id, {}, { stripeAccount })).status, 'canceled');
});

test('the older endpoint for refunds', async () => {
  const { latest_charge: charge } = await pay();
  const refund = await stripe.rawRequest('POST', `/v1/charges/${charge}/refunds`, { amount: 100 });
  assert.deepEqual([refund.charge, refund.amount], [charge, 100]);
  assert.deepEqual((await stripe.rawRequest('GET', `/v1/charges/${charge}/refunds`)).data.map((one) => one.id), [refund.id]);
});

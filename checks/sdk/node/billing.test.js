// Subscriptions and their invoices, on a test clock.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { admin, connected, ids, stripe } from './support.js';

const START = 1_801_396_800; // 2027-01-31T12:00:00Z
const DAY = 24 * 60 * 60;
const clocks = stripe.testHelpers.testClocks;

/** A customer on a separate clock, and a product with its prices. */
async function shop() {
  const clock = (await clocks.create({ frozen_time: START, name: 'A year' })).id;
  const customer = (
    await stripe.customers.create({
      test_clock: clock,
      payment_method: 'pm_card_visa',
      invoice_settings: { default_payment_method: 'pm_card_visa' },
    })
  ).id;
  const product = (await stripe.products.create({ name: 'Membership' })).id;
  const price = (interval, unit_amount) => stripe.prices.create({ product, currency: 'usd', unit_amount, recurring: { interval } });
  const monthly = (await price('month', 1000)).id;
  const yearly = (await price('year', 10000)).id;
  const subscribe = (more = {}) =>
    stripe.subscriptions.create({ customer, items: [{ price: monthly }], expand: ['latest_invoice'], ...more });
  const advance = async (frozen_time) => {
    assert.equal((await clocks.advance(clock, { frozen_time })).status, 'advancing');
    assert.equal((await clocks.retrieve(clock)).status, 'ready');
  };
  return { clock, customer, product, monthly, yearly, subscribe, advance };
}

test('products and prices', async () => {
  const { product, monthly, yearly } = await shop();
  await stripe.products.update(product, { description: 'Every course' });
  assert.equal((await stripe.products.retrieve(product)).description, 'Every course');
  assert.ok(ids((await stripe.products.list({ limit: 100 })).data).includes(product));
  assert.deepEqual(ids((await stripe.prices.list({ product })).data).sort(), [monthly, yearly].sort());
  await stripe.prices.update(monthly, { nickname: 'Monthly' });
  assert.equal((await stripe.prices.retrieve(monthly)).nickname, 'Monthly');
});

test('a renewal is paid, and its payment is shown', async () => {
  const { customer, subscribe, advance } = await shop();
  const destination = await connected();
  const made = await subscribe({ application_fee_percent: 20, transfer_data: { destination } });
  assert.equal(made.status, 'active');
  await advance(START + 28 * DAY + 3600);
  const renewed = await stripe.subscriptions.retrieve(made.id, { expand: ['latest_invoice.payments'] });
  const { payment } = renewed.latest_invoice.payments.data[0];
  assert.equal((await stripe.paymentIntents.retrieve(payment.payment_intent)).application_fee_amount, 200);
  const found = (await stripe.invoicePayments.list({ payment })).data[0];
  assert.equal((await stripe.invoicePayments.retrieve(found.id)).invoice, renewed.latest_invoice.id);
  assert.deepEqual(ids((await stripe.subscriptions.list({ customer })).data), [made.id]);
  assert.equal((await stripe.invoices.list({ customer, status: 'paid' })).data.length, 2);
  assert.equal((await admin('GET', 'books')).balanced, true);
});

test('a switch is previewed, made and canceled', async () => {
  const { clock, yearly, subscribe, advance } = await shop();
  const made = await subscribe();
  await advance(START + 7 * DAY);
  const items = [{ id: made.items.data[0].id, price: yearly }];
  const preview = await stripe.invoices.createPreview({ subscription: made.id, subscription_details: { items } });
  const after = await stripe.subscriptions.update(made.id, { items, expand: ['latest_invoice'] });
  assert.deepEqual([preview.total, after.latest_invoice.total], [9250, 9250]);
  const lines = await stripe.invoices.listLineItems(after.latest_invoice.id);
  assert.deepEqual(lines.data.map((line) => line.amount), [-750, 10000]);
  assert.equal((await stripe.subscriptions.cancel(made.id)).status, 'canceled');
  assert.ok(ids((await clocks.list({ limit: 100 })).data).includes(clock));
  assert.equal((await clocks.del(clock)).deleted, true);
});

test('an open invoice is paid or written off', async () => {
  const { customer, subscribe, advance } = await shop();
  const open = async () => (await subscribe({ payment_behavior: 'default_incomplete' })).latest_invoice.id;
  await stripe.invoices.update(await open(), { metadata: { a: 'b' } });
  assert.equal((await stripe.invoices.pay(await open())).status, 'paid');
  assert.equal((await stripe.invoices.markUncollectible(await open())).status, 'uncollectible');
  assert.equal((await stripe.invoices.voidInvoice(await open())).status, 'void');
  const form = { customer, amount: 1000, currency: 'usd', payment_method: 'pm_card_visa', confirm: true, return_url: 'https://example.com' };
  const payment_intent = (await stripe.paymentIntents.create(form)).id;
  assert.equal((await stripe.invoices.attachPayment(await open(), { payment_intent })).status, 'paid');
  await advance(START + 28 * DAY + 1);
  const draft = (await stripe.invoices.list({ customer, status: 'draft' })).data[0];
  assert.equal((await stripe.invoices.finalizeInvoice(draft.id)).status, 'open');
  assert.equal((await stripe.invoices.retrieve(draft.id)).status, 'open');
});

test('an invoice without a subscription', async () => {
  const invoice_settings = { default_payment_method: 'pm_card_visa' };
  const customer = (await stripe.customers.create({ payment_method: 'pm_card_visa', invoice_settings })).id;
  const item = { customer, currency: 'usd', description: 'Setup' };
  const kept = await stripe.invoiceItems.create({ ...item, amount: 1000 });
  const dropped = await stripe.invoiceItems.create({ ...item, amount: 1 });
  assert.equal((await stripe.invoiceItems.retrieve(dropped.id)).amount, 1);
  assert.equal((await stripe.invoiceItems.del(dropped.id)).deleted, true);
  assert.deepEqual(ids((await stripe.invoiceItems.list({ customer, pending: true })).data), [kept.id]);
  const draft = await stripe.invoices.create({ customer, pending_invoice_items_behavior: 'include' });
  assert.deepEqual([draft.parent, draft.status, draft.amount_due], [null, 'draft', 1000]);
  assert.equal((await stripe.invoices.pay(draft.id)).status, 'paid');
});

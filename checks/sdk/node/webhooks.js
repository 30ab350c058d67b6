// Sends events that the official Node SDK has built and signed to the functions of a running local stack. Events with a valid
// signature must take effect, all others must be refused. The ports come from API_PORT and STRIPE_PORT.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import Stripe from 'stripe';

const api = `http://localhost:${process.env.API_PORT || 9000}`;
const port = process.env.STRIPE_PORT || 12111;
const stripe = new Stripe('sk_test_local', { host: 'localhost', port, protocol: 'http' });
const now = () => Math.floor(Date.now() / 1000);

const endpoints = [
  { path: '/webhooks/stripe', secret: 'whsec_local', event: {} },
  { path: '/webhooks/stripe/connect', secret: 'whsec_local_connect', event: { account: 'acct_1Sdk' } },
];

/** An event without effect, containing multi-byte characters. */
const body = (more) =>
  JSON.stringify(
    {
      id: `evt_${randomUUID().replaceAll('-', '')}`,
      object: 'event',
      api_version: stripe.getApiField('version'),
      created: now(),
      data: { object: { id: 'prod_1Sdk', object: 'product', name: 'Übung für Anfänger 🎓' } },
      livemode: false,
      pending_webhooks: 1,
      request: { id: null, idempotency_key: null },
      type: 'product.updated',
      ...more,
    },
    null,
    2,
  );

const sign = (payload, secret, timestamp = now()) => stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });

async function send(path, payload, header) {
  const headers = { 'content-type': 'application/json; charset=utf-8', ...(header && { 'stripe-signature': header }) };
  const answer = await fetch(api + path, { method: 'POST', headers, body: payload });
  return { status: answer.status, body: await answer.json() };
}

for (const { path, secret, event } of endpoints) {
  const other = endpoints.find((one) => one.path !== path).secret;

  test(`${path} takes what the SDK signs, again too`, async () => {
    const payload = body(event);
    for (let n = 0; n < 2; n += 1) assert.equal((await send(path, payload, sign(payload, secret))).status, 200);
    // An event that was delayed for minutes, and one signed with two secrets during a rotation.
    assert.equal((await send(path, payload, sign(payload, secret, now() - 240))).status, 200);
    const at = now();
    const [rolled, good] = ['whsec_old', secret].map((one) => sign(payload, one, at).split(',')[1]);
    const v0 = good.replace('v1=', 'v0=');
    for (const signatures of [[rolled, good], [good, rolled], [v0, good], [good, v0], [rolled, v0, good, rolled]]) {
      const header = [`t=${at}`, ...signatures].join(',');
      assert.equal((await send(path, payload, header)).status, 200, header);
    }
    // Verified by the SDK itself.
    assert.equal(stripe.webhooks.constructEvent(payload, [`t=${at}`, rolled, v0, good].join(','), secret).type, 'product.updated');
  });

  test(`${path} takes nothing else`, async () => {
    const payload = body(event);
    const good = sign(payload, secret);
    for (const [what, sent, header] of [
      ['tampered', payload.replace('product.updated', 'product.deleted'), good],
      ['another secret', payload, sign(payload, 'whsec_other')],
      ['the other endpoint\'s secret', payload, sign(payload, other)],
      ['stale', payload, sign(payload, secret, now() - 301)],
      ['from a time to come', payload, sign(payload, secret, now() + 310)],
      ['with its time moved', payload, good.replace(/t=\d+/, `t=${now() - 100}`)],
      ['of the old scheme alone', payload, good.replace('v1=', 'v0=')],
      ['of several, none of ours', payload, `${sign(payload, 'whsec_other')},${good.split(',')[1].replace('v1=', 'v0=')}`],
      ['without its time', payload, good.split(',')[1]],
      ['unsigned', payload, undefined],
    ]) {
      const answer = await send(path, sent, header);
      assert.deepEqual([answer.status, answer.body.code], [400, 'bad_signature'], what);
    }
  });
}

/** Calls the API. */
async function ask(method, path, token, json) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await fetch(api + path, { method, headers, body: json && JSON.stringify(json) });
  return { status: answer.status, body: await answer.json() };
}

/** Calls the stand-in's admin API. */
const admin = async (path, json) => {
  const answer = await fetch(`http://localhost:${port}/_admin/${path}`, { method: 'POST', body: JSON.stringify(json) });
  assert.ok(answer.ok, await answer.text());
};

for (const { type, account, path, secret, other } of [
  // With `ChargeType=auto`, the platform charges for an Express account, and a Standard account charges itself.
  { type: 'express', account: false, ...endpoints[0], other: endpoints[1] },
  { type: 'standard', account: true, ...endpoints[1], other: endpoints[0] },
]) {
  test(`a purchase from a seller with ${type} is paid by the event that Stripe signed, and by nothing like it`, async (t) => {
    const slug = `sdk-${randomUUID()}`;
    const { body: seller } = await ask('POST', '/users', null, { email: `seller-${slug}@example.com`, password: 'unusual staple 71' });
    const staff = (await ask('POST', '/sessions', null, { email: 'test@admin.com', password: 'justatest' })).body;
    await ask('PATCH', `/admin/users/${seller.user.id}`, staff.token, { is_seller: true });
    const { status: made, body: onboarding } = await ask('POST', '/users/me/stripe/onboarding', seller.token, { type });
    assert.equal(made, 200, JSON.stringify(onboarding));
    const { account_id } = onboarding;
    await admin(`accounts/${account_id}/requirements`, { verdict: 'complete' });
    await ask('GET', '/users/me/stripe', seller.token);
    const course = { title: 'Signed', slug, description: 'x', price: { amount: 4000, currency: 'usd' } };
    const { body: { id: course_id } } = await ask('POST', '/courses', seller.token, course);
    t.after(() => ask('DELETE', `/courses/${slug}`, seller.token).catch(() => {}));
    const buyer = (await ask('POST', '/users', null, { email: `${slug}@example.com`, password: 'unusual staple 71' })).body;

    const order = { course_id, payment_method: 'pm_card_threeDSecure2Required' };
    const { status, body: waits } = await ask('POST', '/courses/charge', buyer.token, order);
    assert.deepEqual([status, waits.purchase?.status], [201, 'requires_action'], JSON.stringify(waits));
    const state = async () => (await ask('GET', `/purchases/${waits.purchase.id}`, buyer.token)).body.status;

    // The buyer has authenticated, and the stand-in's own event is held.
    await admin('webhooks/mode', { hold: true });
    t.after(() => admin('webhooks/mode', {}));
    const id = waits.client_secret.split('_secret_')[0];
    await admin(`payment_intents/${id}/authenticate`, { outcome: 'succeed' });
    const object = await stripe.paymentIntents.retrieve(id, {}, account ? { stripeAccount: account_id } : {});
    assert.equal(object.status, 'succeeded');
    const of = (more) => body({ type: 'payment_intent.succeeded', data: { object }, ...(account && { account: account_id }), ...more });

    const event = of();
    for (const [what, to, sent, header, expected] of [
      ['of live mode', path, of({ livemode: true }), (sent) => sign(sent, secret), 200],
      ['of another account', endpoints[1].path, of({ account: 'acct_1Sdk' }), (sent) => sign(sent, endpoints[1].secret), 200],
      ['signed for the other endpoint', path, event, (sent) => sign(sent, other.secret), 400],
      ['signed with a foreign secret', path, event, (sent) => sign(sent, 'whsec_foreign'), 400],
      ['stale', path, event, (sent) => sign(sent, secret, now() - 301), 400],
      ['tampered', path, event.replace(id, 'pi_1Sdk'), () => sign(event, secret), 400],
    ]) {
      assert.equal((await send(to, sent, header(sent))).status, expected, what);
      assert.equal(await state(), 'requires_action', what);
    }
    assert.equal((await send(path, event, sign(event, secret))).status, 200);
    assert.equal(await state(), 'paid');
  });
}

// Events that the official Node SDK builds and signs, sent to the functions of a running local stack: what the SDK
// signs is taken, what was signed otherwise is not. Takes the API's address from API_PORT.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';

import Stripe from 'stripe';

const api = `http://localhost:${process.env.API_PORT || 9000}`;
const stripe = new Stripe('sk_test_local');
const now = () => Math.floor(Date.now() / 1000);

const endpoints = [
  { path: '/webhooks/stripe', secret: 'whsec_local', event: {} },
  { path: '/webhooks/stripe/connect', secret: 'whsec_local_connect', event: { account: 'acct_1Sdk' } },
];

/** An event that changes nothing here, in letters of more than one byte. */
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
    // Some minutes under way, and a secret that is being replaced.
    assert.equal((await send(path, payload, sign(payload, secret, now() - 240))).status, 200);
    const [rolled, good] = [sign(payload, 'whsec_old'), sign(payload, secret)];
    const both = `${good.split(',')[0]},${rolled.split(',')[1]},${good.split(',')[1]}`;
    assert.equal((await send(path, payload, both)).status, 200);
  });

  test(`${path} takes nothing else`, async () => {
    const payload = body(event);
    const good = sign(payload, secret);
    for (const [what, sent, header] of [
      ['tampered', payload.replace('product.updated', 'product.deleted'), good],
      ['another secret', payload, sign(payload, 'whsec_other')],
      ['the other endpoint\'s secret', payload, sign(payload, other)],
      ['stale', payload, sign(payload, secret, now() - 400)],
      ['of another scheme', payload, good.replace('v1=', 'v0=')],
      ['unsigned', payload, undefined],
    ]) {
      const answer = await send(path, sent, header);
      assert.deepEqual([answer.status, answer.body.code], [400, 'bad_signature'], what);
    }
  });
}

// Webhook endpoints created through the API.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ids, stripe } from './support.js';

test('a webhook endpoint is created, changed and deleted', async () => {
  // Nothing listens there; the endpoint is deleted before any event.
  const made = await stripe.webhookEndpoints.create({ url: 'http://127.0.0.1:9/hooks', enabled_events: ['charge.refunded'] });
  assert.match(made.secret, /^whsec_/);
  assert.deepEqual([made.status, made.enabled_events], ['enabled', ['charge.refunded']]);
  assert.equal((await stripe.webhookEndpoints.retrieve(made.id)).secret, undefined);
  assert.equal((await stripe.webhookEndpoints.update(made.id, { disabled: true })).status, 'disabled');
  assert.ok(ids((await stripe.webhookEndpoints.list()).data).includes(made.id));
  assert.equal((await stripe.webhookEndpoints.del(made.id)).deleted, true);
  await assert.rejects(stripe.webhookEndpoints.retrieve(made.id), { statusCode: 404, code: 'resource_missing' });
});

// Event destinations, which receive thin events.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { stripe } from './support.js';

test('an event destination is created, changed and deleted', async () => {
  const { eventDestinations, events } = stripe.v2.core;
  const made = await eventDestinations.create({
    name: 'Accounts',
    type: 'webhook_endpoint',
    event_payload: 'thin',
    enabled_events: ['v2.core.account.updated'],
    events_from: ['@self', '@accounts'],
    // Nothing listens there; the destination is deleted before any other event.
    webhook_endpoint: { url: 'http://127.0.0.1:9/thin' },
    include: ['webhook_endpoint.signing_secret', 'webhook_endpoint.url'],
  });
  assert.match(made.webhook_endpoint.signing_secret, /^whsec_/);
  assert.equal(made.status, 'enabled');
  const event = await eventDestinations.ping(made.id);
  assert.equal((await events.retrieve(event.id)).id, event.id);
  assert.equal((await eventDestinations.update(made.id, { name: 'Sellers' })).name, 'Sellers');
  assert.equal((await eventDestinations.disable(made.id)).status, 'disabled');
  assert.equal((await eventDestinations.enable(made.id)).status, 'enabled');
  assert.equal((await eventDestinations.retrieve(made.id)).name, 'Sellers');
  assert.ok((await eventDestinations.list()).data.some((one) => one.id === made.id));
  await eventDestinations.del(made.id);
  await assert.rejects(eventDestinations.retrieve(made.id), { statusCode: 404, code: 'not_found' });
});

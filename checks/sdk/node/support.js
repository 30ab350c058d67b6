// Shared by the tests: the SDK, configured for the stand-in at STRIPE_URL, and helpers for its objects.

import { createServer } from 'node:http';

import Stripe from 'stripe';

const { hostname, port, origin } = new URL(process.env.STRIPE_URL);
// When the SDK retries, it leaves a response unread, which keeps the process alive until its timeout.
const address = { host: hostname, port, protocol: 'http', timeout: 5000 };

export const stripe = new Stripe('sk_test_local', { ...address, maxNetworkRetries: 2 });
stripe.setClientId('ca_local');

/** Calls the API as a browser does. */
export const browser = new Stripe('pk_test_local', address);

/** Calls the stand-in's admin API. */
export async function admin(method, path, body) {
  const answer = await fetch(`${origin}/_admin/${path}`, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** Runs something with an injected fault. */
export async function withFault(effect, match, times, act) {
  await admin('POST', 'faults', { match, times, fault: effect });
  try {
    return await act();
  } finally {
    await admin('DELETE', 'faults');
  }
}

/** The URL of the consent page. The SDK always returns https, whatever protocol it uses itself. */
export const authorizeUrl = (params = {}, options = {}) =>
  stripe.oauth
    .authorizeUrl({ redirect_uri: 'http://localhost:9000/users/oauth/callback', state: 's', ...params }, options)
    .replace(/^https:\/\/[^/]*/, origin);

/** Submits the consent page's form. Returns the redirect's query. */
export async function answerConsent(url, decision = 'allow') {
  const answer = await fetch(url, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ account: 'new', decision }) });
  return Object.fromEntries(new URL(answer.headers.get('location')).searchParams);
}

/** Connects a new account through OAuth. */
export async function connected(scope = 'read_write') {
  const { code } = await answerConsent(authorizeUrl({ scope }));
  return (await stripe.oauth.token({ grant_type: 'authorization_code', code })).stripe_user_id;
}

/** Creates and confirms a PaymentIntent in one call. */
export const pay = (more = {}, options = {}) =>
  stripe.paymentIntents.create(
    {
      amount: 5000,
      currency: 'usd',
      payment_method: 'pm_card_visa',
      confirm: true,
      automatic_payment_methods: { enabled: true, allow_redirects: 'never' },
      ...more,
    },
    options,
  );

/** All objects of a list, read page by page. */
export async function walk(list) {
  const all = [];
  for await (const one of list) all.push(one);
  return all;
}

export const ids = (list) => list.map((one) => one.id);

/** The sum of an account's balance transactions. */
export async function net(stripeAccount) {
  const transactions = await walk(stripe.balanceTransactions.list({ limit: 2 }, { stripeAccount }));
  return transactions.reduce((sum, one) => sum + one.net, 0);
}

/** An account's balance in dollars, available and pending. */
export async function held(stripeAccount) {
  const { available, pending } = await stripe.balance.retrieve({}, { stripeAccount });
  return [...available, ...pending].filter((one) => one.currency === 'usd').reduce((sum, one) => sum + one.amount, 0);
}

/** Runs something with a webhook endpoint: `next()` is the next delivery, `{body, header}`. */
export async function withReceiver({ secret, connect = false }, act) {
  const arrived = [];
  const waiting = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    const delivery = { body: Buffer.concat(chunks), header: request.headers['stripe-signature'] };
    const first = waiting.shift();
    if (first) first(delivery);
    else arrived.push(delivery);
    response.end();
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${server.address().port}/`;
  await admin('PUT', 'webhooks', { endpoints: [{ url, secret, connect }] });
  try {
    return await act(async () => arrived.shift() ?? new Promise((resolve) => waiting.push(resolve)));
  } finally {
    await admin('PUT', 'webhooks', { endpoints: [] });
    server.closeAllConnections();
    server.close();
  }
}

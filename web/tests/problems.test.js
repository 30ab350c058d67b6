/** Error messages: each code of the API has one, and the API's own texts are never shown. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { isNotOnSale } from '../js/checkout.js';
import { sentence } from '../js/problems.js';
import { assertQuiet, expect, newPage } from './browser.js';
import { connect, courseAddress, makeCourse, newSeller, signUp } from './people.js';

const OPENAPI = readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8');

test('each code of the API has its own sentence, without field names', () => {
  const codes = [...new Set([...OPENAPI.matchAll(/problem:([a-z_]+)"/g)].map(([, code]) => code))];
  assert.ok(codes.length > 50, `${codes.length} codes`);
  const unknown = sentence({ status: 422, code: 'of_tomorrow', detail: 'price.amount must be at least 50' });
  for (const code of codes) {
    const text = sentence({ status: 409, code, detail: 'price.amount must be at least 50' });
    assert.notEqual(text, unknown, code);
    assert.match(text, /^[A-Z][^_`{}]+[.]$/, code);
    assert.doesNotMatch(text, /minor unit|capability|price\.amount/, code);
  }
});

test('the API’s own texts are never shown', () => {
  for (const status of [400, 403, 404, 409, 422, 429, 500, 503]) {
    assert.doesNotMatch(sentence({ status, code: 'of_tomorrow', detail: 'missing field `price`' }), /missing|field|price/);
  }
  assert.ok(isNotOnSale('seller_capability_missing') && !isNotOnSale('card_declined'));
});

test('a user who tried too many cards sees how long to wait', () => {
  const told = (retryAfter) => sentence({ status: 429, code: 'too_many_cards', retryAfter });
  for (const [seconds, time] of [[1, '1 second'], [59, '59 seconds'], [61, '2 minutes'], [3600, '1 hour'], [80_000, '23 hours']]) {
    assert.equal(told(seconds), `Too many cards were tried. Pay on Stripe’s page now, or try again in ${time}.`);
  }
  assert.match(told(0), /later/);
});

test('a course whose seller has no account yet offers no purchase, and tells its seller why', async () => {
  const { page: seller } = await newSeller();
  await seller.goto('/');
  const slug = await makeCourse(seller, { title: `Not yet for sale ${Date.now()}` });
  const visitor = await newPage({ viewport: { width: 390, height: 844 } });
  for (const isSignedIn of [false, true]) {
    if (isSignedIn) await signUp(visitor);
    await visitor.goto(courseAddress(slug));
    await visitor.getByText('Not on sale right now', { exact: true }).waitFor();
    await expect(visitor.locator('main').getByRole('link', { name: /buy/i })).toHaveCount(0);
    await expect(visitor.getByRole('button', { name: /buy/i })).toHaveCount(0);
    await expect(visitor.locator('#buy-bar')).toHaveCount(0);
  }
  await seller.goto(courseAddress(slug));
  await seller.getByText('Nobody can buy it at the moment.').waitFor();
  for (const page of [seller, visitor]) assertQuiet(page);
  for (const page of [seller, visitor]) await page.context().close();
});

test('a course that nobody can buy says so, and its button disappears', async () => {
  const { page: seller } = await newSeller();
  await seller.goto('/');
  await connect(seller);
  const slug = await makeCourse(seller, { title: `Lacks something ${Date.now()}` });
  const buyer = await newPage();
  await signUp(buyer);
  await buyer.route('**/api/courses/charge', (route) =>
    route.fulfill({ status: 409, contentType: 'application/problem+json', json: { code: 'seller_capability_missing', status: 409, capability: 'transfers', detail: 'the seller of this course cannot be paid at the moment: their Stripe account lacks the capability transfers' } }),
  );
  await buyer.goto(courseAddress(slug));
  await buyer.getByRole('button', { name: 'Buy this course' }).click();
  await buyer.getByText('This course isn’t on sale right now.').waitFor();
  await buyer.getByText('Not on sale right now', { exact: true }).waitFor();
  await expect(buyer.getByRole('button', { name: 'Buy this course' })).toHaveCount(0);
  await expect(buyer.locator('#buy-bar')).toHaveCount(0);
  assert.doesNotMatch(await buyer.locator('main').innerText(), /capability|transfers|Stripe account/);
  assertQuiet(buyer, { except: [409] });
  for (const page of [seller, buyer]) await page.context().close();
});

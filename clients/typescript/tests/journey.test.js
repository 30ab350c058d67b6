// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Refused, body, connect, items } from '../dist/index.js';
import { baseUrl, newcomer, sellerWithCourse } from './market.js';

test('a buyer finds a course, buys it, reads it and gets the money back', async (t) => {
  const seller = await sellerWithCourse();
  const path = { slug: seller.course.slug };
  t.after(() => seller.api.DELETE('/courses/{slug}', { params: { path } }));

  // Find it.
  const guest = connect({ baseUrl });
  const course = await body(guest.GET('/courses/{slug}', { params: { path } }));
  const found = items((cursor) => body(guest.GET('/courses', { params: { query: { limit: 2, ...(cursor && { cursor }) } } })));
  let listed = false;
  for await (const one of found) listed ||= one.id === course.id;
  assert.ok(listed);

  // Sign up and buy. After a timeout, send the same request again: nobody pays twice.
  const { token } = await body(guest.POST('/users', { body: newcomer() }));
  const api = connect({ baseUrl, token: () => token });
  const { amount: expected_amount, currency: expected_currency } = course.price;
  const order = { course_id: course.id, expected_amount, expected_currency };
  const { purchase } = await body(api.POST('/courses/charge', { body: { ...order, payment_method: 'pm_card_visa' } }));
  assert.equal(purchase.status, 'paid');

  // Read it.
  const { content } = await body(api.GET('/courses/{slug}/content', { params: { path } }));
  assert.equal(content, 'For buyers.');
  assert.equal((await body(api.GET('/purchases/{id}', { params: { path: { id: purchase.id } } }))).status, 'paid');

  // The seller gives the money back, and the course is closed.
  await body(seller.api.POST('/purchases/{id}/refund', { params: { path: { id: purchase.id } }, body: {} }));
  await assert.rejects(body(api.GET('/courses/{slug}/content', { params: { path } })), (error) => error instanceof Refused && error.status === 403);

  // A card that is declined has a code, and the bank's reason.
  const declined = body(api.POST('/courses/charge', { body: { ...order, payment_method: 'pm_card_chargeDeclined' } }));
  await assert.rejects(declined, (error) => error instanceof Refused && error.code === 'card_declined' && error.problem.decline_code === 'generic_decline');
});

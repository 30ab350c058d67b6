// @ts-check
/** A market on the running local stack: somebody to buy from. Ports as in `make dev`, or from API_PORT and STRIPE_PORT. */

import { randomUUID } from 'node:crypto';

import { body, connect } from '../dist/index.js';

export const baseUrl = `http://localhost:${process.env['API_PORT'] ?? 9000}`;
const stripe = `http://localhost:${process.env['STRIPE_PORT'] ?? 12111}`;

/** An address and a password that nobody has yet. */
export const newcomer = () => ({ email: `${randomUUID()}@example.com`, password: 'unusual staple 71' });

/** @returns a new seller with an account that can be paid, and a published course of theirs at 40.00 USD */
export async function sellerWithCourse() {
  const { user, token } = await body(connect({ baseUrl }).POST('/users', { body: newcomer() }));
  const admin = await body(connect({ baseUrl }).POST('/sessions', { body: { email: 'test@admin.com', password: 'justatest' } }));
  const staff = connect({ baseUrl, token: () => admin.token });
  await body(staff.PATCH('/admin/users/{id}', { params: { path: { id: user.id } }, body: { is_seller: true } }));

  const api = connect({ baseUrl, token: () => token });
  const { account_id } = await body(api.POST('/users/me/stripe/onboarding', { body: { type: 'express' } }));
  await fetch(`${stripe}/_admin/accounts/${account_id}/requirements`, { method: 'POST', body: JSON.stringify({ verdict: 'complete' }) });
  await body(api.GET('/users/me/stripe'));
  const course = await body(api.POST('/courses', { body: { title: `Typed ${randomUUID()}`, description: 'Types', price: { amount: 4000, currency: 'usd' } } }));
  await body(api.PUT('/courses/{slug}/content', { params: { path: { slug: course.slug } }, body: { content: 'For buyers.' } }));
  return { api, course };
}

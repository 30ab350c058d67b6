/** Memberships: offered at the seller desk, bought next to a course, and ended in the account. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, expect, newPage } from './browser.js';
import { cardField, club, courseAddress, pay, signUp, visit } from './people.js';

const row = (page) => page.getByRole('table', { name: 'Memberships' }).getByRole('row').filter({ hasText: 'All courses' });

test('a membership is offered, changed and ended at the desk', async () => {
  const { page } = await club();
  await visit(page, '/seller.html#membership');
  await page.getByRole('button', { name: 'Stop offering' }).waitFor();
  await expect(page.getByLabel('Monthly price')).toHaveValue('10.00');
  await page.getByLabel('Monthly price').fill('');
  await page.getByLabel('Yearly price').fill('');
  await page.getByRole('button', { name: 'Save membership' }).click();
  await page.getByText('Enter a monthly price, a yearly price or both, for example 49.50.').waitFor();
  await page.getByLabel('Yearly price').fill('90.00');
  await page.getByRole('button', { name: 'Save membership' }).click();
  await page.getByText('Saved. Your membership is shown next to your courses.').waitFor();
  await page.getByRole('button', { name: 'Stop offering' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop offering' }).click();
  await page.getByText('The membership is no longer offered.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a membership that cannot be charged for is shown without a button to join, and the desk says so', async () => {
  const { page: desk, slug } = await club();
  const unavailable = async (page) => {
    await page.route('**/api/sellers/*/membership', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: { ...(await answer.json()), available: false } });
    });
  };
  const page = await newPage();
  await unavailable(page);
  await page.goto(courseAddress(slug));
  await page.locator('#membership').getByText('Nobody can join right now. Please check back later.').waitFor();
  await expect(page.locator('#membership').getByRole('link')).toHaveCount(0);
  await expect(page.locator('#membership').getByRole('button')).toHaveCount(0);

  await unavailable(desk);
  await visit(desk, '/seller.html#membership');
  await desk.reload();
  await desk.getByText('Nobody can join at the moment.').waitFor();
  await desk.getByText('Buyers can join once your Stripe account can be charged for memberships').waitFor();
  await desk.unroute('**/api/sellers/*/membership');
  const refusal = { status: 409, contentType: 'application/problem+json', json: { code: 'not_sellable', status: 409, capability: 'card_payments' } };
  await desk.route('**/api/sellers/*/membership', (route) => (route.request().method() === 'POST' ? route.fulfill(refusal) : route.continue()));
  await desk.getByRole('button', { name: 'Save membership' }).click();
  await desk.getByText('sell your courses one by one, connect another account, or ask the staff').waitFor();
  for (const one of [page, desk]) {
    assertQuiet(one, { except: [409] });
    await one.context().close();
  }
});

test('a buyer subscribes on Stripe’s page, reads, pays by the year, and cancels', async () => {
  const { page: desk, slug } = await club();
  const handle = `ada-${Date.now()}`;
  await visit(desk, '/seller.html#public-page');
  const form = desk.getByRole('form', { name: 'Your page' });
  await form.getByLabel('Name').fill('Ada Lovelace');
  await form.getByLabel('Address (optional)').fill(handle);
  await form.getByRole('button', { name: 'Save page' }).click();
  await desk.getByText('Your page is saved.').waitFor();
  const visitor = await newPage();
  await visitor.goto(courseAddress(slug));
  await visitor.getByRole('heading', { name: 'Membership: All courses' }).waitFor();
  await visitor.getByRole('link', { name: 'Log in to join' }).waitFor();
  assertQuiet(visitor);

  const page = await newPage();
  await signUp(page);
  await page.goto(courseAddress(slug));
  await page.getByRole('button', { name: 'Join' }).click();
  await cardField(page).waitFor();
  await pay(page);
  // The page waits for Stripe's event, and then links to the courses.
  await page.getByText('You’re a member.').waitFor();
  assert.equal(new URL(page.url()).search, '');
  await page.locator('#opened').getByRole('link', { name: 'Members read this' }).waitFor();
  const teacher = (part) => part.getByRole('link', { name: 'Ada Lovelace' });
  await expect(teacher(page.locator('#opened'))).toHaveAttribute('href', `/sellers/${handle}`);
  await expect(page.getByText('Courses that you buy appear here.')).toBeHidden();
  await expect(page.getByText('Waiting for payment')).toBeHidden();
  await page.locator('#joined').getByRole('link', { name: 'Continue to' }).click();
  await page.waitForURL('**/course.html?id=*');
  await page.getByText('You have access to this course.').waitFor();
  await expect(page.getByRole('button', { name: 'Join' })).toHaveCount(0);

  await page.goto('/account.html#billing');
  await expect(teacher(row(page))).toHaveAttribute('href', `/sellers/${handle}`);
  await page.getByRole('button', { name: 'Switch to yearly: All courses' }).click();
  await page.getByRole('dialog', { name: 'Switch “All courses” by Ada Lovelace to yearly billing?' }).getByText('Your card is charged today: $100.00, less what is left').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Switch to yearly' }).click();
  await page.getByText('You’re now billed yearly.').waitFor();
  await row(page).getByText('$100.00 a year', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Switch to monthly: All courses' }).click();
  await page.getByRole('dialog').getByText('You won’t be charged today.').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Not now' }).click();
  await page.getByRole('button', { name: 'Cancel: All courses' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel membership' }).click();
  await page.getByText('Your membership is canceled.').waitFor();
  await row(page).getByText('Canceled, still open').waitFor();
  await page.getByRole('button', { name: 'Resume: All courses' }).click();
  await page.getByText('Your membership will renew as before.').waitFor();
  await page.goto(courseAddress(slug));
  await page.getByText('You have access to this course.').waitFor();
  assertQuiet(page);

  // The seller sees the member, and why the totals exceed the list of sales.
  await visit(desk, '/seller.html#membership');
  const members = desk.getByRole('table', { name: 'Members' });
  const newest = members.getByRole('row').filter({ hasText: '$90.00' });
  await newest.getByText('Active').waitFor();
  await newest.getByText('Member since').waitFor();
  // What was paid before is listed too, without the member's present state.
  await members.getByRole('row').filter({ hasText: '$10.00' }).getByText('Earlier period').waitFor();
  await visit(desk, '/seller.html#sales');
  await desk.locator('#totals').getByText('Of these, membership payments').waitFor();
  for (const one of [page, visitor, desk]) await one.context().close();
});

test('a saved card subscribes in one step', async () => {
  const { page: desk, slug } = await club();
  const page = await newPage();
  await signUp(page);
  await page.goto('/account.html#billing');
  await page.locator('#card-list:not([aria-busy])').waitFor();
  await page.getByRole('button', { name: 'Add a card' }).click();
  await pay(page);
  await page.getByText('Your Visa ending in 4242 is saved.').waitFor();
  await page.goto(courseAddress(slug));
  await page.getByLabel('Membership', { exact: true }).selectOption('year');
  await page.getByRole('button', { name: 'Join' }).dblclick();
  // The offer, which says so too, stays until the course is reloaded.
  await page.locator('.notice').getByText('You’re a member.').waitFor();
  await page.getByText('You have access to this course.').waitFor();
  await page.goto('/account.html#memberships');
  await row(page).getByText('$100.00 a year', { exact: true }).waitFor();
  await expect(row(page)).toHaveCount(1);

  // The seller sees it, and refunds part of it.
  await visit(desk, '/seller.html#membership');
  const member = desk.getByRole('table', { name: 'Members' }).getByRole('row').filter({ hasText: 'All courses' });
  await member.getByRole('button', { name: 'Refund: All courses' }).click();
  await desk.getByRole('dialog').getByLabel('Amount').fill('30.00');
  await desk.getByRole('dialog').getByRole('button', { name: 'Refund' }).click();
  await desk.getByText('$30.00 refunded. It’s on its way to the member.').waitFor();
  await member.getByText('$30.00', { exact: true }).waitFor();
  assertQuiet(desk);
  assertQuiet(page);
  for (const one of [page, desk]) await one.context().close();
});

test('a membership whose answer is lost is found by the page itself', async () => {
  const { page: desk, slug } = await club();
  await desk.context().close();
  const page = await newPage();
  await signUp(page);
  await visit(page, '/account.html#billing');
  await page.getByRole('button', { name: 'Add a card' }).click();
  await pay(page);
  await page.getByText('is saved.').waitFor();
  let asked = 0;
  await page.route('**/api/sellers/*/membership/subscribe', async (route) => {
    asked += 1;
    await route.fetch();
    await route.fulfill({ status: 504, contentType: 'application/problem+json', json: { code: 'payment_provider_timeout', status: 504, request_id: 'the-request' } });
  });
  await page.goto(courseAddress(slug));
  await page.getByRole('button', { name: 'Join' }).click();
  await page.waitForURL('**/account.html**');
  await page.getByText('You’re a member.').waitFor();
  await page.locator('#joined').getByRole('link', { name: 'Continue to' }).waitFor();
  assert.equal(asked, 1);
  await page.goto('/account.html#memberships');
  await row(page).waitFor();
  await expect(row(page)).toHaveCount(1);
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('the page waits for a pending membership, and reports a failed one', async () => {
  const page = await newPage();
  await signUp(page);
  const one = { id: 'mem_1', seller_id: 'usr_none', title: 'All of it', interval: 'month', amount: 1000, currency: 'usd', charge_type: 'destination', cancel_at_period_end: false, current_period_end: null, paid_until: null, created_at: '2026-11-01T08:00:00Z', updated_at: '2026-11-01T08:00:00Z' };
  const answers = ['pending', 'pending', 'active'];
  await page.route('**/api/subscriptions/mem_1', (route) => route.fulfill({ json: { ...one, status: answers.length > 1 ? answers.shift() : answers[0] } }));
  await page.goto('/account.html?subscription=mem_1');
  await page.getByText('Setting up your membership…').waitFor();
  await page.getByText('You’re a member.').waitFor();
  await page.getByText('“All of it” is active').waitFor();
  answers.splice(0, answers.length, 'failed');
  await visit(page, '/account.html?subscription=mem_1');
  await page.getByText('You didn’t become a member.').waitFor();
  await visit(page, '/account.html?subscription=canceled');
  await page.getByText('You left the payment page.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

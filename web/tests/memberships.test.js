/** Memberships: offered at the seller desk, bought beside a course, and ended in the account. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertQuiet, newPage } from './browser.js';
import { cardField, club, courseAddress, pay, signUp } from './people.js';

const row = (page) => page.getByRole('table', { name: 'My memberships' }).getByRole('row').filter({ hasText: 'All courses' });

test('a membership is offered, changed and ended at the desk', async () => {
  const { page } = await club();
  await page.reload();
  await page.getByRole('button', { name: 'End the offer' }).waitFor();
  assert.equal(await page.getByLabel('By the month').inputValue(), '10.00');
  await page.getByLabel('By the month').fill('');
  await page.getByLabel('By the year').fill('');
  await page.getByRole('button', { name: 'Offer it' }).click();
  await page.getByText('Give a price by the month, by the year, or both, such as 10.00.').waitFor();
  await page.getByLabel('By the year').fill('90.00');
  await page.getByRole('button', { name: 'Offer it' }).click();
  await page.getByText('Your membership is offered beside your courses.').waitFor();
  await page.getByRole('button', { name: 'End the offer' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End the offer' }).click();
  await page.getByText('The membership is not offered any more.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a buyer subscribes on Stripe’s page, reads, pays by the year, and cancels', async () => {
  const { page: desk, slug } = await club();
  const visitor = await newPage();
  await visitor.goto(courseAddress(slug));
  await visitor.getByRole('link', { name: 'Log in to subscribe' }).waitFor();
  assertQuiet(visitor);

  const page = await newPage();
  await signUp(page);
  await page.goto(courseAddress(slug));
  await page.getByRole('button', { name: 'Subscribe' }).click();
  await cardField(page).waitFor();
  await pay(page);
  await page.getByText('You are back from Stripe’s page.').waitFor();
  // Stripe's event may be on its way still.
  while (!(await row(page).getByText('Active', { exact: true }).isVisible())) {
    await page.reload();
    await page.locator('#membership-list:not([aria-busy])').waitFor();
  }
  await page.goto(courseAddress(slug));
  await page.getByText('This course is open to you.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Subscribe' }).count(), 0);

  await page.goto('/account.html');
  await page.getByRole('button', { name: 'Pay by the year: All courses' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Pay by the year' }).click();
  await page.getByText('You pay by the year from now on.').waitFor();
  await row(page).getByText('$100.00 a year', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Cancel: All courses' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel membership' }).click();
  await page.getByText('The membership ends with what you have paid.').waitFor();
  await row(page).getByText('Ends', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Keep it: All courses' }).click();
  await page.getByText('You stay a member.').waitFor();
  await page.goto(courseAddress(slug));
  await page.getByText('This course is open to you.').waitFor();
  assertQuiet(page);
  for (const one of [page, visitor, desk]) await one.context().close();
});

test('a saved card subscribes in one step', async () => {
  const { page: desk, slug } = await club();
  const page = await newPage();
  await signUp(page);
  await page.goto('/account.html');
  await page.locator('#card-list:not([aria-busy])').waitFor();
  await page.getByRole('button', { name: 'Add a card' }).click();
  await pay(page);
  await page.getByText('Your Visa ending in 4242 is saved.').waitFor();
  await page.goto(courseAddress(slug));
  await page.getByLabel('Membership', { exact: true }).selectOption('year');
  await page.getByRole('button', { name: 'Subscribe' }).dblclick();
  // The offer, which says so too, stands until the course is shown anew.
  await page.locator('.notice').getByText('You are a member.').waitFor();
  await page.getByText('This course is open to you.').waitFor();
  await page.goto('/account.html#memberships');
  await row(page).getByText('$100.00 a year', { exact: true }).waitFor();
  assert.equal(await row(page).count(), 1);
  assertQuiet(page);
  for (const one of [page, desk]) await one.context().close();
});

/** A purchased course stays reachable, whatever happens to its slug. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { connect, courseAddress, makeCourse, newSeller, pay, purchaseIs, signUp, toCheckout, visit } from './people.js';

test('the buyer of a renamed and then deleted course can still read it, from the library and from the receipt', async () => {
  const { page: seller } = await newSeller();
  await seller.goto('/');
  await connect(seller);
  const title = `Outlives its address ${Date.now()}`;
  const slug = await makeCourse(seller, { title });
  const headers = { origin: STOREFRONT };
  await seller.request.put(`/api/courses/${slug}/content`, { data: { content: 'Still here to read.' }, headers });

  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  const receipt = buyer.url();

  const renamed = await seller.request.patch(`/api/courses/${slug}`, { data: { slug: `${slug}-renamed` }, headers });
  assert.equal(renamed.status(), 200);
  await buyer.getByRole('link', { name: 'Start the course' }).click();
  await buyer.getByText('Still here to read.').waitFor();

  const deleted = await seller.request.delete(`/api/courses/${slug}-renamed`, { headers });
  assert.equal(deleted.status(), 204);
  await buyer.goto(receipt);
  await buyer.getByRole('link', { name: 'Start the course' }).click();
  await buyer.getByText('Still here to read.').waitFor();
  await visit(buyer, '/account.html');
  await buyer.locator('#library-list').getByRole('link', { name: title }).click();
  await buyer.getByText('Still here to read.').waitFor();
  assertQuiet(buyer);

  // Nobody else can open it by its id.
  const other = await newPage();
  await other.goto(new URL(buyer.url()).pathname + new URL(buyer.url()).search);
  await other.getByRole('heading', { name: 'We couldn’t find this course.' }).waitFor();
  assertQuiet(other, { except: [404] });
  for (const page of [seller, buyer, other]) await page.context().close();
});

test('the library shows each course once, lists pending payments, and has a text when empty', async () => {
  const page = await newPage();
  await signUp(page);
  await page.goto('/account.html');
  await page.getByText('Courses that you buy appear here.').waitFor();
  const purchase = { course_slug: 'a-course', processing: false, amount: 5000, currency: 'usd', refunded: 0, created_at: '2026-11-01T08:00:00Z', paid_at: '2026-11-01T08:00:00Z' };
  const items = [
    { ...purchase, id: 'pur_3', course_id: 'crs_2', course_title: 'Begun', status: 'pending', paid_at: null },
    { ...purchase, id: 'pur_2', course_id: 'crs_1', course_title: 'دورة', status: 'paid' },
    { ...purchase, id: 'pur_1', course_id: 'crs_1', course_title: 'دورة', status: 'refunded' },
  ];
  await page.route('**/api/purchases?*', (route) => route.fulfill({ json: { items, next_cursor: null } }));
  await visit(page, '/account.html');
  const course = page.locator('#library-list').getByRole('link');
  await course.waitFor();
  await expect(course).toHaveCount(1);
  await expect(course).toHaveAttribute('href', '/course.html?id=crs_1');
  assert.equal(await course.evaluate((link) => getComputedStyle(link).direction), 'rtl');
  await expect(page.locator('#started').getByRole('link', { name: 'Begun' })).toHaveAttribute('href', '/purchase.html?id=pur_3');
  assertQuiet(page);
  await page.context().close();
});

test('the account’s sections have URLs: for reloads, the back button and links in mails', async () => {
  const page = await newPage();
  await signUp(page);
  await page.goto('/account.html#memberships');
  await page.getByText('You don’t have any memberships.').waitFor();
  await expect(page.locator('#library')).toBeHidden();
  await page.getByRole('navigation', { name: 'Your account' }).getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('heading', { name: 'Change email' }).waitFor();
  await expect(page.locator(':focus')).toHaveId('settings');
  await page.reload();
  await page.getByRole('heading', { name: 'Change email' }).waitFor();
  await page.goBack();
  await page.getByText('You don’t have any memberships.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a printed receipt has no buttons, and that of a refunded purchase still says when it was paid', async () => {
  const page = await newPage();
  await signUp(page);
  const purchase = { id: 'pur_1', course_id: 'crs_1', course_slug: 'a-course', course_title: 'A course', status: 'paid', processing: false, amount: 5000, currency: 'usd', refunded: 0, created_at: '2026-11-01T08:00:00Z', updated_at: '2026-11-01T08:00:00Z', paid_at: '2026-11-01T08:00:00Z' };
  await page.route('**/api/purchases/pur_1', (route) => route.fulfill({ json: purchase }));
  await page.goto('/purchase.html?id=pur_1');
  await purchaseIs(page, 'paid');
  assert.ok((await page.locator('.button:visible').count()) > 0);
  await page.emulateMedia({ media: 'print' });
  await expect(page.locator('.button:visible, button:visible')).toHaveCount(0);
  await expect(page.locator('main').getByText('A course', { exact: true })).toBeVisible();
  const refund = { id: 're_1', amount: 5000, status: 'succeeded', application_fee_refunded: 0, transfer_reversed: 0, created_at: '2026-11-02T08:00:00Z' };
  await page.route('**/api/purchases/pur_1', (route) => route.fulfill({ json: { ...purchase, status: 'refunded', refunded: 5000, refunds: [refund] } }));
  await page.reload();
  await purchaseIs(page, 'refunded');
  await expect(page.getByRole('term').filter({ hasText: /^Paid$/ })).toBeVisible();
  await expect(page.getByRole('region', { name: 'Refunds' }).getByText('Refunded', { exact: true })).toBeVisible();
  await page.context().close();
});

test('a URL without a course shows a not-found page', async () => {
  const page = await newPage();
  await page.goto('/course.html');
  await page.getByRole('heading', { name: 'We couldn’t find this course.' }).waitFor();
  await page.goto(courseAddress('no-such-course'));
  await page.getByRole('heading', { name: 'We couldn’t find this course.' }).waitFor();
  assertQuiet(page, { except: [404] });
  await page.context().close();
});

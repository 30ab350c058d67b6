/** A payee of another teacher’s course: the offer and its mail, accepting, earning, and giving up. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STOREFRONT, assertQuiet, expect } from './browser.js';
import { connectExpress, linkIn, mailTo, makeCourse, newSeller, sell, visit } from './people.js';

const SHARES = '/account.html#shares';
const idOf = async (page) => (await (await page.request.get('/api/users/me')).json()).id;

test('a payee is told of an offer, accepts it with the password, earns, and gives the share up', async () => {
  const [{ page: teacher }, { page: payee, email }] = [await newSeller(), await newSeller()];
  for (const page of [teacher, payee]) await connectExpress(page);
  await payee.goto('/account.html#billing');
  await payee.locator('#purchase-list:not([aria-busy])').waitFor();
  await expect(payee.locator('#shares')).toBeHidden();

  const title = `Taught by two ${Date.now()}`;
  const slug = await makeCourse(teacher, { title, price: '40.00' });
  const ids = await Promise.all([teacher, payee].map(idOf));
  const offer = async (share) => {
    const payees = [{ seller: ids[0], share: 100 - share }, { seller: ids[1], share }];
    const answer = await teacher.request.patch(`/api/courses/${slug}`, { data: { payees }, headers: { origin: STOREFRONT } });
    assert.equal(answer.status(), 200, await answer.text());
  };
  await offer(25);
  const mail = await mailTo(email, 'You are offered a share of a course');
  assert.match(mail.text, /offers you 25%/);
  await visit(payee, linkIn(mail));
  assert.equal(new URL(payee.url()).hash, '#shares');
  const card = payee.locator('#share-list .card').filter({ hasText: title });
  await card.getByText('The course’s teacher offers you 25%').waitFor();

  // The password was entered too long ago.
  const refusal = { status: 403, contentType: 'application/problem+json', json: { code: 'password_required', status: 403 } };
  await payee.route('**/api/courses/*/share', (route) => route.fulfill(refusal), { times: 1 });
  await card.getByRole('button', { name: `Accept 25%: ${title}` }).click();
  const dialog = payee.getByRole('dialog');
  await dialog.getByLabel('Password').fill('unusual staple 71');
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await payee.getByText(`You get 25% of “${title}” from the next sale on.`).waitFor();
  await card.getByText('You get 25% of what is left').waitFor();
  await expect(card.getByRole('button', { name: /^Accept/ })).toHaveCount(0);

  await card.getByText('Earnings', { exact: true }).click();
  await card.getByText('No earnings yet.').waitFor();
  await sell(slug);
  await visit(payee, SHARES);
  await card.getByText('Earnings', { exact: true }).click();
  // A quarter of what is left after the platform’s half.
  const row = card.getByRole('table').getByRole('row').nth(1);
  await expect(row.getByRole('cell').nth(2)).toHaveText('$40.00');
  await expect(row.getByRole('cell').nth(3)).toHaveText('$5.00');

  // A changed offer leaves the share as it is until it is accepted. Whoever has an old page open accepts nothing else.
  await offer(10);
  await payee.reload();
  await card.getByText('offers you 10% instead').waitFor();
  await offer(5);
  await card.getByRole('button', { name: /^Accept 10%/ }).click();
  await payee.getByRole('alert').getByText('The teacher has just changed the offer.').waitFor();
  await card.getByText('offers you 5% instead').waitFor();

  await card.getByRole('button', { name: /^Give up your share/ }).click();
  await dialog.getByText('The new offer is declined, too.').waitFor();
  await dialog.getByRole('button', { name: 'Give up' }).click();
  await payee.getByText(`You no longer share in new sales of “${title}”.`).waitFor();
  // The earnings stay.
  await card.getByText('Earnings', { exact: true }).click();
  await card.getByText('$5.00').waitFor();
  await sell(slug);
  await visit(payee, SHARES);
  await card.getByText('Earnings', { exact: true }).click();
  await expect(card.getByRole('table').getByRole('row')).toHaveCount(2);
  assertQuiet(payee, { except: [403, 409] });
  assertQuiet(teacher);
  await payee.context().close();
  await teacher.context().close();
});

test('an offer can be declined, what is still to be transferred is shown, and a list that fails says so', async () => {
  const { page } = await newSeller();
  let items = [{ course_id: 'crs_1', course_slug: 'rust', course_title: 'Rust', seller_id: 'usr_1', share: 0, offered: 40 }];
  let answers = false;
  await page.route('**/api/users/me/shares?**', (route) => route.fulfill(answers ? { json: { items, next_cursor: null } } : { status: 503, json: {} }));
  const sale = { course_id: 'crs_1', status: 'paid', amount: 2000, currency: 'usd', transferred: 300, taken_back: 100, waiting: 700, paid_at: '2026-11-02T09:30:00Z' };
  await page.route('**/api/courses/crs_1/share**', (route) => {
    if (route.request().method() === 'GET') return route.fulfill({ json: { items: [sale], next_cursor: null } });
    items = [{ ...items[0], offered: undefined }];
    return route.fulfill({ status: 204 });
  });
  await visit(page, SHARES);
  const section = page.locator('#shares');
  await section.getByRole('alert').getByText('We couldn’t load the shares.').waitFor();
  answers = true;
  await section.getByRole('button', { name: 'Try again' }).click();
  await section.getByText('Earnings', { exact: true }).click();
  await expect(section.getByRole('row').nth(1).getByRole('cell').nth(3)).toHaveText('$2.00 waiting for $7.00', { useInnerText: true });
  await section.getByRole('button', { name: 'Decline: Rust' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Decline' }).click();
  await page.locator('#share-outcome').getByText('You’ve declined the share of “Rust”.').waitFor();
  assertQuiet(page, { except: [503] });
  await page.context().close();
});

/** Sellers' pages: filled in at the desk, read with and without JavaScript, and found. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import axe from 'axe-core';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { STAFF, club, courseAddress, logIn, makeCourse, newSeller, toUser, visit } from './people.js';

const PHONE = { width: 390, height: 844 };

/** The form at the desk. */
async function openForm(page) {
  await visit(page, '/seller.html#public-page');
  const form = page.getByRole('form', { name: 'Your page' });
  await form.getByLabel('Name').waitFor();
  return form;
}

async function fillIn(page, { name, handle }) {
  const form = await openForm(page);
  await form.getByLabel('Name').fill(name);
  await form.getByLabel('Address (optional)').fill(handle);
  await form.getByLabel('About you').fill('# Hello\n\nI teach **numbers**, and <b>nothing</b> else.');
  await form.getByRole('button', { name: 'Add link' }).click();
  await form.getByLabel('Title of link 1').fill('My site');
  await form.getByLabel('Address of link 1').fill('https://example.com/me');
  await form.getByRole('button', { name: 'Save page' }).click();
  await page.getByText('Your page is saved.').waitFor();
  return form;
}

async function isAccessible(page) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), []);
}

test('a seller fills in their page, and visitors read it with and without JavaScript', async () => {
  const { page: seller } = await newSeller();
  const handle = `ada-${Date.now()}`;
  await fillIn(seller, { name: 'Ada Lovelace', handle });
  await isAccessible(seller);
  const title = `Numbers ${Date.now()}`;
  const slug = await makeCourse(seller, { title });
  await openForm(seller);
  await seller.getByRole('link', { name: `/sellers/${handle}` }).click();
  await seller.getByRole('heading', { level: 1, name: 'Ada Lovelace' }).waitFor();
  assertQuiet(seller);

  const shopper = await newPage();
  await shopper.goto(`/?q=${encodeURIComponent(title)}`);
  await expect(shopper.locator('#catalogue li', { hasText: title }).locator('.card-teacher')).toHaveText('Ada Lovelace');
  await shopper.context().close();

  for (const options of [{}, { viewport: PHONE }, { javaScriptEnabled: false }, { javaScriptEnabled: false, viewport: PHONE }]) {
    const visitor = await newPage(options);
    const answer = await visitor.goto(`/sellers/${handle}`);
    assert.equal(answer.status(), 200);
    assert.equal(await visitor.title(), 'Ada Lovelace – Lectern');
    await expect(visitor.getByRole('heading', { level: 2, name: 'Hello' })).toBeVisible();
    await expect(visitor.locator('#teacher-text strong')).toHaveText('numbers');
    await expect(visitor.getByText('and <b>nothing</b> else.')).toBeVisible();
    await expect(visitor.getByRole('link', { name: 'My site' })).toHaveAttribute('href', 'https://example.com/me');
    const person = JSON.parse(await visitor.locator('script[type="application/ld+json"]').textContent()).mainEntity;
    assert.deepEqual([person['@type'], person.name, person.sameAs], ['Person', 'Ada Lovelace', ['https://example.com/me']]);
    if (options.javaScriptEnabled !== false) {
      await expect(visitor.locator('.card-cover svg')).toHaveCount(1);
      await isAccessible(visitor);
      const wide = await visitor.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      assert.equal(wide, false, 'nothing is wider than the screen');
    }
    await visitor.getByRole('link', { name: title }).click();
    await visitor.waitForURL(`**${courseAddress(slug)}`);
    await visitor.getByRole('link', { name: 'Ada Lovelace' }).click();
    await visitor.waitForURL(`**/sellers/${handle}`);
    if (options.javaScriptEnabled !== false) assertQuiet(visitor);
    await visitor.context().close();
  }
  await seller.context().close();
});

test('an old handle redirects, one that somebody has is refused, and an unknown one is a 404', async () => {
  const { page: seller } = await newSeller({ viewport: PHONE });
  const handle = `old-${Date.now()}`;
  const form = await fillIn(seller, { name: 'Grace', handle });
  await form.getByLabel('Address (optional)').fill(`${handle}-new`);
  await form.getByRole('button', { name: 'Save page' }).click();
  await expect(seller.locator('#page-preview')).toContainText(`${handle}-new`);

  const visitor = await newPage();
  await visitor.goto(`/sellers/${handle}`);
  await visitor.getByRole('heading', { level: 1, name: 'Grace' }).waitFor();
  assert.equal(new URL(visitor.url()).pathname, `/sellers/${handle}-new`);
  const moved = await fetch(`${STOREFRONT}/sellers/${handle}`, { method: 'HEAD', redirect: 'manual' });
  assert.deepEqual([moved.status, moved.headers.get('location')], [301, `${STOREFRONT}/sellers/${handle}-new`]);

  const { page: other } = await newSeller();
  const theirs = await openForm(other);
  await theirs.getByLabel('Name').fill('Somebody');
  await theirs.getByLabel('Address (optional)').fill(handle);
  await theirs.getByRole('button', { name: 'Save page' }).click();
  await other.getByText('Another teacher has, or had, this address.').waitFor();
  await expect(theirs.getByLabel('Address (optional)')).toBeFocused();
  assertQuiet(other, { except: [409] });

  for (const javaScriptEnabled of [true, false]) {
    const page = await newPage({ javaScriptEnabled });
    assert.equal((await page.goto('/sellers/no-such-teacher')).status(), 404);
    await page.getByRole('heading', { level: 1, name: 'We couldn’t find this teacher.' }).waitFor();
    assert.equal(await page.locator('meta[name=robots]').getAttribute('content'), 'noindex');
    if (javaScriptEnabled) assertQuiet(page, { except: [404] });
    await page.context().close();
  }
  for (const page of [seller, visitor, other]) await page.context().close();
});

test('links are added and removed with the keyboard', async () => {
  const { page } = await newSeller({ viewport: PHONE });
  const form = await fillIn(page, { name: 'Keys', handle: `keys-${Date.now()}` });
  await form.getByRole('button', { name: 'Add link' }).focus();
  await page.keyboard.press('Enter');
  await expect(form.getByLabel('Title of link 2')).toBeFocused();
  await page.keyboard.type('Second');
  await page.keyboard.press('Tab');
  await page.keyboard.type('https://example.org');
  await form.getByRole('button', { name: 'Remove link 1' }).focus();
  await page.keyboard.press('Enter');
  await expect(form.getByLabel('Title of link 1')).toBeFocused();
  await expect(form.getByLabel('Title of link 1')).toHaveValue('Second');
  await form.getByRole('button', { name: 'Save page' }).click();
  await page.getByText('Your page is saved.').waitFor();
  const { links } = await (await page.request.get('/api/users/me/page')).json();
  assert.deepEqual(links, [{ title: 'Second', url: 'https://example.org/' }]);
  assertQuiet(page);
  await page.context().close();
});

test('the page offers the membership: as text without JavaScript, as a form with it', async () => {
  const { page: seller } = await club();
  const handle = `club-${Date.now()}`;
  await fillIn(seller, { name: 'Club', handle });
  const plain = await newPage({ javaScriptEnabled: false });
  await plain.goto(`/sellers/${handle}`);
  await expect(plain.locator('#membership-offer')).toContainText('USD 10.00 a month, or USD 100.00 a year');
  const visitor = await newPage();
  await visitor.goto(`/sellers/${handle}`);
  await expect(visitor.getByRole('link', { name: 'Log in to join' })).toHaveAttribute('href', `/login.html?next=${encodeURIComponent(`/sellers/${handle}`)}`);
  await expect(visitor.locator('#membership-offer')).toHaveCount(0);
  assertQuiet(visitor);
  for (const page of [seller, plain, visitor]) await page.context().close();
});

test('staff clear a page, after a question', async () => {
  const { page: seller, email } = await newSeller();
  await fillIn(seller, { name: 'Mean', handle: `mean-${Date.now()}` });
  const staff = await newPage();
  await logIn(staff, STAFF);
  await toUser(staff, email);
  const clear = staff.getByRole('button', { name: `Clear page: ${email}` });
  await clear.click();
  await staff.getByRole('dialog', { name: 'Clear this seller’s page?' }).getByRole('button', { name: 'Cancel' }).click();
  const own = async () => (await seller.request.get('/api/users/me/page')).json();
  assert.notEqual((await own()).text, '');
  await clear.click();
  await staff.getByRole('button', { name: 'Clear page', exact: true }).click();
  await staff.getByText('The page has no text and no links now.').waitFor();
  const { name, text, links } = await own();
  assert.deepEqual([name, text, links], ['Mean', '', []]);
  assertQuiet(staff);
  for (const page of [seller, staff]) await page.context().close();
});

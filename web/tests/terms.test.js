/** The operator's terms of use: at the sign-up, on the account page, and where the API asks for them. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE, PASSWORD, courseAddress, fixtureSellerIsConnected, newEmail, signUp, signUpByForm, visit } from './people.js';

const TERMS = { url: `${STOREFRONT}/terms`, version: '2026-11' };
const REFUSAL = { status: 403, contentType: 'application/problem+json', body: JSON.stringify({ code: 'terms_not_accepted', status: 403, terms_of_use: TERMS }) };

before(fixtureSellerIsConnected);

/** The operator has set terms. */
const withTerms = (page, terms = TERMS) =>
  page.route('**/api/config', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), terms_of_use: terms } });
  });

/** Answers the route that accepts them. Returns the versions that were accepted. */
async function acceptance(page) {
  const versions = [];
  await page.route('**/api/users/me/terms-of-use', (route) => {
    versions.push(route.request().postDataJSON().version);
    return route.fulfill({ json: {} });
  });
  return versions;
}

test('whoever signs up ticks the terms that hold, and reads them beside the form', async () => {
  const page = await newPage();
  await withTerms(page);
  const sent = [];
  await page.route('**/api/users', (route) => {
    sent.push(route.request().postDataJSON());
    // The first time, other terms hold by now.
    return sent.length === 1 ? route.fulfill({ ...REFUSAL, body: REFUSAL.body.replace('2026-11', '2026-12') }) : route.continue();
  });
  await page.goto('/signup.html');
  const box = page.getByRole('checkbox', { name: 'I accept the terms of use' });
  await expect(page.getByRole('link', { name: 'terms of use' })).toHaveAttribute('href', TERMS.url);
  await page.getByLabel('Email').fill(newEmail('buyer'));
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  assert.equal(sent.length, 0, 'the box must be ticked');
  await box.check();
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('alert').getByText('Your account wasn’t created.').waitFor();
  await expect(box).not.toBeChecked();
  await box.check();
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('link', { name: 'Account', exact: true }).waitFor();
  assert.deepEqual(sent.map((body) => body.terms_version), ['2026-11', '2026-12']);
  assertQuiet(page, { except: [403] });
  await page.context().close();
});

test('without terms the form has no box', async () => {
  const page = await newPage();
  await signUpByForm(page);
  await expect(page.getByRole('checkbox')).toHaveCount(0);
  assertQuiet(page);
  await page.context().close();
});

test('the account page asks for new terms until they are accepted', async () => {
  const page = await newPage();
  await signUp(page);
  await withTerms(page);
  const versions = await acceptance(page);
  await visit(page, '/account.html');
  await page.getByText('Please accept our terms of use.').waitFor();
  await page.getByRole('button', { name: 'Accept' }).click();
  await page.getByText('You accepted the terms of use.').waitFor();
  assert.deepEqual(versions, [TERMS.version]);
  assertQuiet(page);
  await page.context().close();
});

test('a buyer who accepts new terms goes on to pay, and one who cancels stays', async () => {
  const page = await newPage();
  await signUp(page);
  const versions = await acceptance(page);
  let asked = 0;
  await page.route('**/api/courses/charge', (route) => {
    asked += 1;
    return versions.length === 0 ? route.fulfill(REFUSAL) : route.continue();
  });
  await page.goto(courseAddress(FIXTURE.slug));
  const buy = page.getByRole('button', { name: 'Buy this course' });
  const dialog = page.getByRole('dialog', { name: 'Accept the terms of use?' });
  await buy.click();
  await expect(dialog.getByRole('link', { name: 'terms of use' })).toHaveAttribute('href', TERMS.url);
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('We couldn’t start the payment.').waitFor();
  await buy.click();
  await dialog.getByRole('button', { name: 'Accept' }).click();
  await page.locator('[name=card_number]').waitFor();
  assert.deepEqual([versions, asked], [[TERMS.version], 3]);
  assertQuiet(page, { except: [403] });
  await page.context().close();
});

test('a course’s page links to the refund policy next to the button that buys', async () => {
  const page = await newPage();
  await signUp(page, newEmail('buyer'));
  await visit(page, courseAddress(FIXTURE.slug));
  await page.getByRole('button', { name: 'Buy this course' }).waitFor();
  await expect(page.getByRole('link', { name: 'Refund policy' })).toHaveCount(0);
  await page.route('**/api/config', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), refund_policy_url: `${STOREFRONT}/refunds` } });
  });
  await page.reload();
  await expect(page.getByRole('link', { name: 'Refund policy' })).toHaveAttribute('href', `${STOREFRONT}/refunds`);
  assertQuiet(page);
  await page.context().close();
});

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';

import { assertQuiet, expect, newPage } from './browser.js';
import { PASSWORD, confirmAddress, mailTo, signUp, visit } from './people.js';

/** What an authenticator app shows (RFC 6238) at a number of steps from now. */
function codeOf(secret, steps = 0) {
  const bits = [...secret].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const tag = createHmac('sha1', key).update(counter).digest();
  const number = tag.readUInt32BE(tag.at(-1) & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, '0');
}

test('a second factor is set up, asked for at the log-in, and switched off', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await visit(page, '/account.html#settings');
  await page.getByRole('button', { name: 'Set up' }).click();
  await page.getByRole('alert').getByText('Confirm your email address first').waitFor();
  await confirmAddress(page);
  await page.getByRole('button', { name: 'Set up' }).click();
  const shown = page.locator('#factor-secret');
  await shown.waitFor();
  assert.match(await shown.innerText(), /^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/);
  const secret = (await shown.innerText()).replaceAll(' ', '');
  const link = await page.getByRole('link', { name: 'open it in the app' }).getAttribute('href');
  assert.ok(link.startsWith('otpauth://totp/') && link.includes(secret), link);

  const field = page.getByLabel('Code that the app shows now');
  await field.fill('000000');
  await page.getByRole('button', { name: 'Switch on' }).click();
  await page.getByRole('alert').getByText('That code isn’t right.').waitFor();
  await field.fill(codeOf(secret));
  await page.getByRole('button', { name: 'Switch on' }).click();
  await page.getByText('Your second factor is on.').waitFor();
  const codes = await page.locator('#factor li').allInnerTexts();
  assert.equal(codes.length, 10);
  await page.getByRole('button', { name: 'I’ve saved them' }).click();
  await page.getByText('You have 10 recovery codes left.').waitFor();
  await mailTo(email, 'Your second factor was switched on');

  await page.locator('#who').getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('link', { name: 'Log in' }).waitFor();
  await page.goto('/login.html');
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.locator('main form').getByRole('button').click();
  const dialog = page.getByRole('dialog', { name: 'Enter your code' });
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('alert').getByText('Enter the code from your authenticator app').waitFor();
  await page.locator('main form').getByRole('button').click();
  await dialog.getByLabel('Code').fill('000000');
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await dialog.getByText('That code isn’t right.').waitFor();
  await dialog.getByLabel('Code').fill(codes[0]);
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('link', { name: 'Account', exact: true }).waitFor();

  await visit(page, '/account.html#settings');
  await page.getByText('You have 9 recovery codes left.').waitFor();
  // As after a quarter of an hour: the password is asked for again, and a code with it.
  let isEntered = false;
  page.on('response', (response) => {
    isEntered ||= response.url().endsWith('/sessions/current') && response.status() === 204;
  });
  const refusal = { status: 403, contentType: 'application/problem+json', body: JSON.stringify({ code: 'password_required' }) };
  await page.route('**/api/users/me/second-factor', (route) => (isEntered ? route.continue() : route.fulfill(refusal)));
  await page.getByRole('button', { name: 'Switch off' }).click();
  const password = page.getByRole('dialog', { name: 'Enter your password' });
  await password.getByLabel('Password').fill(PASSWORD);
  await password.getByRole('button', { name: 'Continue' }).click();
  await dialog.getByLabel('Code').fill(codes[1]);
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await password.waitFor({ state: 'detached' });
  // The code of this step may have been used above, and one step ahead counts too.
  await dialog.getByLabel('Code').fill(codeOf(secret, 1));
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Your second factor is off.').waitFor();
  await expect(page.getByRole('button', { name: 'Set up' })).toBeVisible();
  assertQuiet(page, { except: [401, 403] });
  await page.context().close();
});

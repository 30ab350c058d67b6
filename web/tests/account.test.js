import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE_PASSWORD, PASSWORD, linkIn, logIn, mailTo, newEmail, signUp, signUpByForm } from './people.js';

test('somebody signs up, logs out and logs in again', async () => {
  const page = await newPage();
  const email = await signUpByForm(page);
  await page.getByText(`Welcome back, ${email}.`).waitFor();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('link', { name: 'Log in' }).waitFor();
  await logIn(page, email);
  await page.getByText(`Welcome back, ${email}.`).waitFor();
  await page.reload();
  await page.getByText(`Welcome back, ${email}.`).waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('pages that need an account send visitors to the log-in and back, and no request fails', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.goto('/');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('link', { name: 'Log in' }).waitFor();
  for (const address of ['/account.html', '/seller.html', '/staff.html', '/purchase.html?id=pur_1']) {
    await page.goto(address);
    await page.waitForURL((url) => url.pathname === '/login.html' && url.searchParams.get('next') === address);
  }
  await page.goto('/account.html#settings');
  await page.waitForURL('**/login.html?**');
  await logIn(page, email, { at: null });
  await page.waitForURL('**/account.html#settings');
  await page.locator('#who').getByText(email).waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('the log-in only redirects within this site', async () => {
  const page = await newPage();
  const email = await signUp(page);
  for (const next of ['https://example.org/', '//example.org', '/\\example.org', 'javascript:alert(1)', '/api/users/me', '/./\\/example.org']) {
    await page.context().clearCookies();
    await logIn(page, email, { at: `/login.html?next=${encodeURIComponent(next)}` });
    assert.equal(new URL(page.url()).origin, new URL(STOREFRONT).origin, next);
    assert.equal(new URL(page.url()).pathname.startsWith('/api'), false, next);
  }
  assertQuiet(page);
  await page.context().close();
});

test('a wrong password is reported, and the input stays', async () => {
  const page = await newPage();
  await page.goto('/login.html');
  await page.getByLabel('Email').fill(newEmail('nobody'));
  await page.getByLabel('Password').fill('not the password');
  await page.locator('main').getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('The email or password is incorrect.').waitFor();
  await expect(page.getByLabel('Email')).not.toHaveValue('');
  await expect(page.locator(':focus')).toHaveId('password');
  assertQuiet(page, { except: [401] });
  await page.context().close();
});

test('a password that is too easy to guess is named, at the sign-up and in the settings', async () => {
  const page = await newPage();
  await page.goto('/signup.html');
  await page.getByLabel('Email').fill('buyer@example');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('alert').getByText('Check that the email address is complete.').waitFor();
  await expect(page.locator(':focus')).toHaveId('email');
  await page.getByLabel('Email').fill(newEmail('buyer'));
  await page.getByLabel('Password').fill(FIXTURE_PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('alert').getByText('This password is too easy to guess. Use a longer or less common one.').waitFor();
  await expect(page.locator(':focus')).toHaveId('password');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('link', { name: 'Account', exact: true }).click();
  const form = page.locator('#password-form');
  await form.getByLabel('New password').fill(FIXTURE_PASSWORD);
  await form.getByLabel('Current password').fill(PASSWORD);
  await form.getByRole('button', { name: 'Change password' }).click();
  await form.getByRole('alert').getByText('This password is too easy to guess.').waitFor();
  assertQuiet(page, { except: [422] });
  await page.context().close();
});

test('an e-mail that is taken cannot sign up again', async () => {
  const page = await newPage();
  await page.goto('/signup.html');
  await page.getByLabel('Email').fill('test@buyer.com');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.getByRole('alert').getByText('An account with this email already exists.').waitFor();
  assertQuiet(page, { except: [409] });
  await page.context().close();
});

test('e-mail and password change with the current password only', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.goto('/account.html#settings');
  const changed = newEmail('changed');
  const forms = { email: page.getByRole('form', { name: 'Change email' }), password: page.getByRole('form', { name: 'Change password' }) };
  await forms.email.getByLabel('New email').fill(changed);
  await forms.email.getByLabel('Current password').fill('not the password');
  await forms.email.getByRole('button').click();
  await page.getByRole('alert').getByText('That isn’t your current password.').waitFor();
  await forms.email.getByLabel('Current password').fill(PASSWORD);
  await forms.email.getByRole('button').click();
  await page.getByText(`Follow the link that we sent to ${changed}.`).waitFor();
  await page.locator('#who').getByText(email).waitFor();
  const elsewhere = await newPage();
  await elsewhere.goto(linkIn(await mailTo(changed, 'Confirm your new email address')));
  await elsewhere.getByRole('button', { name: 'Confirm address' }).click();
  await elsewhere.getByText('Your address is confirmed.').waitFor();
  await elsewhere.context().close();
  await forms.password.getByLabel('New password').fill('another good one');
  await forms.password.getByLabel('Current password').fill(PASSWORD);
  await forms.password.getByRole('button').click();
  await page.getByText('Your password has been changed.').waitFor();
  // This session continues, and the new password applies.
  await page.reload();
  await page.locator('#who').getByText(changed).waitFor();
  await page.locator('#who').getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('link', { name: 'Log in' }).waitFor();
  await page.goto('/login.html');
  await page.getByLabel('Email').fill(changed);
  await page.getByLabel('Password').fill('another good one');
  await page.locator('main').getByRole('button', { name: 'Log in' }).click();
  await page.getByText(`Welcome back, ${changed}.`).waitFor();
  assertQuiet(page, { except: [401] });
  await page.context().close();
});

test('a session that has ended elsewhere leads to the log-in and back', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.context().clearCookies({ name: /session/ });
  await page.goto('/account.html');
  await page.waitForURL('**/login.html?next=**');
  await logIn(page, email, { at: null });
  await page.waitForURL('**/account.html');
  assertQuiet(page, { except: [401] });
  await page.context().close();
});

test('somebody downloads their data, with the password if it was entered long ago', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.goto('/account.html#settings');
  const start = page.getByRole('button', { name: 'Download my data' });
  const read = async () => {
    const [download] = await Promise.all([page.waitForEvent('download'), start.click()]);
    assert.equal(download.suggestedFilename(), 'my-data.json');
    const chunks = [];
    for await (const chunk of await download.createReadStream()) chunks.push(chunk);
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  };
  const data = await read();
  assert.equal(data.profile.user.email, email);
  assert.equal(data.sessions.length, 1);

  const parts = [
    { ...data, sales: [{ purchase_id: 'pur_1' }], next_cursor: '7.more' },
    { ...data, profile: undefined, sales: [{ purchase_id: 'pur_2' }], sessions: [], next_cursor: null },
  ];
  await page.route('**/api/users/me/export*', (route) => route.fulfill({ json: parts[route.request().url().includes('cursor=7.more') ? 1 : 0] }));
  const whole = await read();
  assert.deepEqual([whole.sales.map((sale) => sale.purchase_id), whole.sessions.length, whole.next_cursor], [['pur_1', 'pur_2'], 1, undefined]);
  assert.equal(whole.profile.user.email, email);
  assertQuiet(page);

  await page.unroute('**/api/users/me/export*');
  let asked = 0;
  await page.route('**/api/users/me/export*', (route) => {
    asked += 1;
    return asked === 1 ? route.fulfill({ status: 403, contentType: 'application/problem+json', json: { code: 'password_required', status: 403 } }) : route.continue();
  });
  await start.click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Password').fill(PASSWORD);
  const [download] = await Promise.all([page.waitForEvent('download'), dialog.getByRole('button', { name: 'Continue' }).click()]);
  assert.equal(download.suggestedFilename(), 'my-data.json');
  await page.context().close();
});

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE, PASSWORD, confirmAddress, fixtureSellerIsConnected, linkIn, mailTo, mailsTo, newEmail, pay, purchaseIs, signUp, toCheckout } from './people.js';

before(fixtureSellerIsConnected);

test('a forgotten password is reset with the mail’s link, once', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.context().clearCookies();
  await page.goto('/login.html');
  await page.getByRole('link', { name: 'Forgot your password?' }).click();
  await page.getByLabel('Email').fill(email);
  await page.getByRole('button', { name: 'Send link' }).click();
  await page.getByText('Check your inbox.').waitFor();
  const link = linkIn(await mailTo(email, 'Set a new password'));

  await page.goto(link);
  await page.getByLabel('New password').fill('a fresh password');
  assert.equal(page.url().includes('#'), false, 'the token stays in no history');
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByText('Your new password is set.').waitFor();
  await page.locator('main').getByRole('link', { name: 'Log in' }).click();
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill('a fresh password');
  await page.locator('main').getByRole('button', { name: 'Log in' }).click();
  await page.getByText(`Welcome back, ${email}.`).waitFor();
  assertQuiet(page);

  await page.goto(link);
  await page.getByLabel('New password').fill('yet another password');
  await page.getByRole('button', { name: 'Set password' }).click();
  await page.getByRole('alert').getByText('The link was already used').waitFor();
  await page.getByRole('link', { name: 'Request a new link' }).waitFor();
  assertQuiet(page, { except: [410] });
  await page.context().close();
});

test('an address without an account gets the same response, and no mail', async () => {
  const page = await newPage();
  await page.goto('/forgot.html');
  const email = newEmail('nobody');
  await page.getByLabel('Email').fill(email);
  await page.getByRole('button', { name: 'Send link' }).click();
  await page.getByText('Check your inbox.').waitFor();
  // A mail requested later has arrived, so this one would have arrived too.
  const other = await signUp(page);
  await mailTo(other, 'Confirm your email address');
  assert.equal(await mailsTo(email, ''), 0);
  assertQuiet(page);
  await page.context().close();
});

test('an address is confirmed by its mail, also in another browser', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.goto('/account.html#settings');
  await page.getByText('Please confirm your email address.').waitFor();
  const elsewhere = await newPage();
  await elsewhere.goto(linkIn(await mailTo(email, 'Confirm your email address')));
  await elsewhere.getByRole('button', { name: 'Confirm address' }).click();
  await elsewhere.getByText('Your address is confirmed.').waitFor();
  await page.reload();
  await page.locator('#who').getByText(email).waitFor();
  await expect(page.getByText('Please confirm your email address')).toHaveCount(0);
  assertQuiet(page);
  assertQuiet(elsewhere);
  await page.context().close();
  await elsewhere.context().close();
});

test('pages that mails link to explain a missing token', async () => {
  const page = await newPage();
  for (const address of ['/reset.html', '/confirm.html']) {
    await page.goto(address);
    await page.getByText('Open this page from our email.').waitFor();
    await expect(page.locator('main').getByRole('button')).toHaveCount(0);
  }
  assertQuiet(page);
  await page.context().close();
});

test('a purchase sends the buyer one receipt, which links to the course', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await confirmAddress(page);
  await toCheckout(page, FIXTURE.slug);
  await pay(page);
  await purchaseIs(page, 'paid');
  const receipt = await mailTo(email, 'Your receipt');
  assert.match(receipt.text, /Paid: 50\.00 USD/);
  await mailTo('test@seller.com', 'You sold a course');
  await page.goto(linkIn(receipt));
  await page.getByText('You have access to this course.').waitFor();
  assert.equal(await mailsTo(email, 'Your receipt'), 1);
  assertQuiet(page);
  await page.context().close();
});

test('an account is deleted only with the password', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.goto('/account.html#settings');
  const form = page.getByRole('form', { name: 'Delete account' });
  await form.getByLabel('Current password').fill('not the password');
  await form.getByRole('button').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
  await page.getByRole('alert').getByText('That isn’t your current password.').waitFor();
  await form.getByLabel('Current password').fill(PASSWORD);
  await form.getByRole('button').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await form.getByRole('button').click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click();
  await page.getByText('Your account has been deleted.').waitFor();
  await page.getByRole('link', { name: 'Log in' }).waitFor();
  await page.goto('/login.html');
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.locator('main').getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('The email or password is incorrect.').waitFor();
  // The address is free.
  await signUp(page, email);
  assertQuiet(page, { except: [401] });
  await page.context().close();
});

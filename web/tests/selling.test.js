import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { PASSWORD, connect, courseAddress, logIn, mailTo, makeCourse, newEmail, newSeller, pay, purchaseIs, signUp, toCheckout, visit } from './people.js';

test('a seller connects, creates a course, sells it, and sees the earnings', async () => {
  const { page, email } = await newSeller();
  await page.goto('/');
  await page.getByRole('link', { name: 'Set up payments' }).click();
  await page.getByRole('heading', { name: 'Set up Stripe to get paid' }).waitFor();
  await connect(page);
  await page.getByText('Your Stripe account is connected.').waitFor();
  await expect(page.getByRole('link', { name: 'Set up payments' })).toHaveCount(0);
  const title = `From sign-up to sale ${Date.now()}`;
  const slug = await makeCourse(page, { title, price: '19.99' });
  await page.getByRole('link', { name: 'Sales', exact: true }).click();
  await page.getByText('No sales yet.').waitFor();

  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  assertQuiet(buyer);
  await buyer.context().close();

  await visit(page, '/seller.html#settings');
  await page.locator('#stripe').getByText('acct_').waitFor();
  await page.getByRole('link', { name: 'Sales', exact: true }).click();
  const row = page.getByRole('table', { name: 'Sales' }).getByRole('row').filter({ hasText: title });
  await row.waitFor();
  // Half of 1999, rounded down, is the platform's; the rest is the seller's.
  assert.deepEqual((await row.getByRole('cell').allInnerTexts()).slice(3, 7), ['$19.99', '$9.99', '–', '$10.00']);
  await expect(page.locator('#totals dl')).toHaveText(/Your share\s+\$10\.00[^]*\$19\.99 in 1 sale/, { useInnerText: true });
  await page.getByRole('img', { name: /^Your share in USD: .*\$10\.00/ }).waitFor();
  await page.goto('/account.html#settings');
  await page.locator('#who').getByText(email).waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('buyers read the content, and a refund ends access and is mailed', async () => {
  const { page } = await newSeller();
  await page.goto('/');
  await connect(page);
  const title = `Content and refund ${Date.now()}`;
  const slug = await makeCourse(page, { title, price: '20.00' });
  await page.getByRole('button', { name: `Content: ${title}` }).click();
  const editor = page.getByRole('dialog');
  await editor.getByLabel('Course content').fill('# Lesson one\n\nRead **this** and [that](https://example.com/).\n\n```\n<script>alert(1)</script>\n```\n\n[not this](javascript:alert(1))');
  await editor.getByRole('button', { name: 'Save content' }).click();
  await page.getByText('Readers see it from now on.').waitFor();

  const buyer = await newPage();
  const email = await signUp(buyer);
  await buyer.goto(courseAddress(slug));
  await buyer.getByRole('button', { name: 'Buy this course' }).waitFor();
  await expect(buyer.locator('#content')).toHaveCount(0);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  await buyer.getByRole('link', { name: 'Start the course' }).click();
  const content = buyer.locator('#content');
  await content.getByRole('heading', { level: 3, name: 'Lesson one' }).waitFor();
  await expect(content.getByRole('link', { name: 'that' })).toHaveAttribute('href', 'https://example.com/');
  await expect(content.getByRole('link'), 'a script is no link').toHaveCount(1);
  await expect(content.locator('script')).toHaveCount(0);
  await expect(content.locator('pre')).toHaveText(/<script>alert\(1\)<\/script>/, { useInnerText: true });

  await visit(page, '/seller.html#sales');
  const row = page.getByRole('table', { name: 'Sales' }).getByRole('row').filter({ hasText: title });
  await row.getByRole('button', { name: 'Refund' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog.getByLabel('Amount')).toHaveValue('20.00');
  await dialog.getByLabel('Amount').fill('30');
  await dialog.getByRole('button', { name: 'Refund' }).click();
  await dialog.getByRole('alert').getByText('You can refund up to $20.00.').waitFor();
  await dialog.getByLabel('Amount').fill('5');
  await dialog.getByRole('button', { name: 'Refund' }).click();
  await page.getByText('$5.00 refunded.').waitFor();
  await row.getByText('Partly refunded').waitFor();
  assert.deepEqual((await row.getByRole('cell').allInnerTexts()).slice(5, 7), ['$5.00', '$7.50']);
  assert.match((await mailTo(email, 'Your refund')).text, /Refunded so far: 5\.00 USD/);
  await buyer.reload();
  await content.getByText('Read this and that.').waitFor();

  await row.getByRole('button', { name: 'Refund' }).click();
  await expect(dialog.getByLabel('Amount')).toHaveValue('15.00');
  await dialog.getByRole('button', { name: 'Refund' }).click();
  await page.getByText('$15.00 refunded.').waitFor();
  await row.getByText('Refunded', { exact: true }).last().waitFor();
  await expect(row.getByRole('button', { name: 'Refund' })).toHaveCount(0);
  await buyer.reload();
  await buyer.getByRole('button', { name: 'Buy this course' }).waitFor();
  await expect(buyer.locator('#content')).toHaveCount(0);
  assertQuiet(page);
  assertQuiet(buyer);
  await page.context().close();
  await buyer.context().close();
});

test('a seller who declines on Stripe’s page is not linked, and can agree later', async () => {
  const { page } = await newSeller();
  await page.goto('/seller.html');
  await connect(page, 'deny');
  await page.getByRole('alert').getByText('Your Stripe account wasn’t connected.').waitFor();
  await page.getByText('You didn’t give access to a Stripe account.').waitFor();
  assert.equal(new URL(page.url()).search, '');
  await page.getByRole('link', { name: 'Connect Stripe account' }).click();
  await page.locator('[name=decision][value=allow]').click();
  await page.getByText('Your Stripe account is connected.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a logged-out seller gets to Stripe through the log-in', async () => {
  const { page, email } = await newSeller();
  await page.goto('/');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('link', { name: 'Log in' }).waitFor();
  await page.goto('/api/users/authorize');
  await page.waitForURL('**/login.html?next=authorize');
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.locator('main').getByRole('button', { name: 'Log in' }).click();
  await page.locator('[name=decision][value=allow]').click();
  await page.getByText('Your Stripe account is connected.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a buyer who comes to connect is told to ask the staff', async () => {
  const page = await newPage();
  const email = await signUp(page);
  await page.context().clearCookies();
  await logIn(page, email, { at: '/login.html?next=authorize' });
  await page.getByText('Ask the staff to make you a seller').waitFor();
  await page.goto('/seller.html');
  await page.getByText('This desk is for sellers.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a seller disconnects after being asked, and connects again', async () => {
  const { page } = await newSeller();
  await page.goto('/');
  await connect(page);
  await page.goto('/seller.html#settings');
  const disconnect = page.getByRole('button', { name: 'Disconnect' });
  await disconnect.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await disconnect.click();
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click();
  await page.getByText('Your Stripe account has been disconnected.').waitFor();
  await page.reload();
  await connect(page);
  await page.getByText('Your Stripe account is connected.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('a pending link is made only after confirmation, even after a log-in', async () => {
  const { page, email } = await newSeller();
  const confirmations = [];
  await page.route('**/api/users/oauth/confirm', (route) => {
    confirmations.push(route.request().postDataJSON());
    return confirmations.length === 1
      ? route.fulfill({ status: 200, json: {} })
      : route.fulfill({ status: 410, contentType: 'application/problem+json', json: { code: 'confirmation_gone', status: 410 } });
  });
  await page.context().clearCookies();
  await page.goto('/?connect=confirm&code=parked');
  await page.getByText('log in to connect your Stripe account').waitFor();
  assert.equal(page.url().includes('parked'), false);
  await page.locator('#outcome').getByRole('link', { name: 'Log in' }).click();
  await page.waitForURL('**/login.html?**');
  await logIn(page, email, { at: null });
  await page.getByRole('button', { name: 'Connect this account' }).waitFor();
  assert.deepEqual(confirmations, []);
  const loaded = page.waitForEvent('load');
  await page.getByRole('button', { name: 'Connect this account' }).click();
  await loaded;
  assert.deepEqual(confirmations, [{ code: 'parked' }]);
  // Only this test says that it was connected.
  await expect(page.getByText('Your Stripe account is connected.')).toHaveCount(0);

  await page.goto('/?connect=confirm&code=late');
  await page.getByRole('button', { name: 'Connect this account' }).click();
  await page.getByRole('alert').getByText('This confirmation has expired.').waitFor();

  await page.goto('/?connect=confirm&code=strange');
  await page.getByRole('button', { name: 'Don’t connect' }).click();
  await page.getByText('Nothing was connected.').waitFor();
  assert.equal(confirmations.length, 2);
  assertQuiet(page, { except: [410] });
  await page.context().close();
});

test('a course is created, changed, unpublished, published again, and deleted', async () => {
  const { page } = await newSeller();
  const title = `Life of a course ${Date.now()}`;
  const slug = await makeCourse(page, { title, price: '5000', currency: 'jpy' });
  const row = page.getByRole('row').filter({ hasText: title });
  await row.getByText('¥5,000').waitFor();
  const visitor = await newPage();
  await visitor.goto(courseAddress(slug));
  await visitor.locator('.course-side').getByText('¥5,000').waitFor();

  await row.getByRole('button', { name: 'Edit' }).click();
  const editor = page.getByRole('dialog');
  await expect(editor.getByLabel('Price')).toHaveValue('5000');
  await editor.getByLabel('Price').fill('50.5');
  await editor.getByText('JPY has no decimals').waitFor();
  await editor.getByLabel('Price').fill('4500');
  await editor.getByText('Buyers pay ¥4,500.').waitFor();
  await editor.getByRole('button', { name: 'Save course' }).click();
  await row.getByText('¥4,500').waitFor();

  await row.getByText('More').click();
  await row.getByRole('button', { name: 'Unpublish' }).click();
  await row.getByText('Not published').waitFor();
  await visitor.goto(courseAddress(slug));
  await visitor.getByRole('heading', { name: 'We couldn’t find this course.' }).waitFor();
  await row.getByText('More').click();
  await row.getByRole('button', { name: 'Publish' }).click();
  await row.getByText('Published', { exact: true }).waitFor();
  await visitor.goto(courseAddress(slug));
  await visitor.locator('.course-side').getByText('¥4,500').waitFor();

  await row.getByText('More').click();
  await row.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete course' }).click();
  await page.getByText('was deleted.').waitFor();
  await page.getByText('You don’t have any courses yet.').waitFor();
  assertQuiet(page);
  assertQuiet(visitor, { except: [404] });
  await page.context().close();
  await visitor.context().close();
});

test('a taken slug is refused with a sentence, and no input is lost', async () => {
  const { page } = await newSeller();
  await page.goto('/seller.html');
  await page.getByRole('button', { name: 'New course' }).click();
  const editor = page.getByRole('dialog');
  await editor.getByLabel('Title').fill('Mine');
  await editor.getByLabel('Price').fill('10');
  await editor.getByLabel('Address').fill('flask-microservices');
  await editor.getByRole('button', { name: 'Save course' }).click();
  await editor.getByRole('alert').getByText('Another course already uses this address.').waitFor();
  await expect(editor.getByLabel('Title')).toHaveValue('Mine');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'New course' }).click();
  await expect(editor.getByLabel('Title')).toHaveValue('Mine');
  assertQuiet(page, { except: [409] });
  await page.context().close();
});

const LOST = { status: 504, contentType: 'application/problem+json', json: { code: 'timeout', status: 504, request_id: 'the-request' } };

/** A new seller's dialog with a new, unpublished course. */
async function newCourse(title) {
  const { page } = await newSeller();
  await page.goto('/seller.html');
  await page.getByText('You don’t have any courses yet.').waitFor();
  await page.getByRole('button', { name: 'New course' }).click();
  const editor = page.getByRole('dialog');
  await editor.getByLabel('Title').fill(title);
  await editor.getByLabel('Price').fill('10');
  await editor.getByLabel('Publish in the catalog').uncheck();
  const stored = async () => (await (await page.request.get('/api/users/me/courses')).json()).items;
  return { page, editor, save: () => editor.getByRole('button', { name: 'Save course' }).click(), stored };
}

test('a new course whose answer is lost is found in the list', async () => {
  const { page, save, stored } = await newCourse('Lost and found');
  await page.route('**/api/courses', async (route) => {
    await route.fetch();
    await route.fulfill(LOST);
  });
  await save();
  await page.getByText('“Lost and found” is saved.').waitFor();
  await expect(page.getByRole('row').filter({ hasText: 'Lost and found' })).toHaveCount(1);
  await expect(page.getByRole('heading', { name: 'Unsaved drafts' })).toHaveCount(0);
  assert.equal((await stored()).length, 1);
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('a new course that arrives after its answer was given up is changed, not created twice', async () => {
  const { page, editor, save, stored } = await newCourse('Late');
  let sent;
  await page.route('**/api/courses', (route) => {
    sent = route.request().postDataJSON();
    return route.fulfill(LOST);
  });
  await save();
  await editor.getByText('We don’t know yet whether the course was saved.').waitFor();
  await page.unroute('**/api/courses');
  const late = await page.request.post('/api/courses', { data: sent, headers: { origin: STOREFRONT } });
  assert.equal(late.status(), 201);
  // The draft is still there after the dialog was closed.
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Continue: Late' }).click();
  await editor.getByLabel('Price').fill('12');
  await save();
  await page.getByText('“Late” is saved.').waitFor();
  assert.deepEqual((await stored()).map(({ title, price }) => [title, price.amount]), [['Late', 1200]]);
  await expect(page.getByRole('heading', { name: 'Unsaved drafts' })).toHaveCount(0);
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('sellers are not offered their own courses', async () => {
  const { page } = await newSeller();
  const slug = await makeCourse(page, { title: `My own ${Date.now()}` });
  await page.goto(courseAddress(slug));
  await page.getByText('This is your course.').waitFor();
  await expect(page.getByRole('button', { name: 'Buy this course' })).toHaveCount(0);
  assertQuiet(page);
  await page.context().close();
});

test('staff appoint and dismiss a seller, and others do not see the staff desk', async () => {
  const user = await newPage();
  const email = await signUp(user, newEmail('seller'));
  await user.goto('/staff.html');
  await user.getByText('This desk is for staff.').waitFor();

  const staff = await newPage();
  await logIn(staff, 'test@admin.com');
  await staff.goto('/staff.html#users');
  await staff.getByLabel('Search by email').fill(email);
  await staff.getByRole('button', { name: 'Search' }).click();
  await staff.getByRole('button', { name: `Make seller: ${email}` }).click();
  await staff.getByText(`${email} is now a seller.`).waitFor();
  await user.goto('/seller.html');
  await user.getByRole('heading', { name: 'Courses', level: 2 }).waitFor();

  await staff.getByRole('button', { name: `Remove seller role: ${email}` }).click();
  await staff.getByRole('dialog').getByRole('button', { name: 'Remove role' }).click();
  await staff.getByText(`${email} is no longer a seller.`).waitFor();
  await user.reload();
  await user.getByText('This desk is for sellers.').waitFor();
  assertQuiet(user);
  assertQuiet(staff);
  await user.context().close();
  await staff.context().close();
});

test('after a while, disconnecting and connecting require the password', async () => {
  const { page, email } = await newSeller();
  await page.goto('/');
  await connect(page);
  await visit(page, '/seller.html#settings');
  let isEntered = false;
  page.on('response', (response) => {
    isEntered ||= response.url().endsWith('/sessions/current') && response.status() === 204;
  });
  const refusal = { status: 403, contentType: 'application/problem+json', body: JSON.stringify({ code: 'password_required' }) };
  await page.route('**/api/users/me/stripe', (route) => (route.request().method() === 'DELETE' && !isEntered ? route.fulfill(refusal) : route.continue()));

  const leave = async () => {
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Disconnect' }).click();
    await page.getByRole('heading', { name: 'Enter your password' }).waitFor();
  };
  const dialog = page.getByRole('dialog');
  await leave();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Your Stripe account is still connected.').waitFor();
  await page.getByText('Enter your password to do this.').waitFor();

  await leave();
  await dialog.getByLabel('Password').fill('not my password');
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await dialog.getByText('That isn’t your password.').waitFor();
  await dialog.getByLabel('Password').fill(PASSWORD);
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('Your Stripe account has been disconnected.').waitFor();

  // The API sends a browser here whose session is too old.
  await page.goto('/login.html?next=authorize&again=1');
  await page.getByText('Enter your password again to connect').waitFor();
  await expect(page.getByLabel('Email')).toHaveValue(email);
  await page.getByLabel('Password').fill(PASSWORD);
  await page.locator('main form').getByRole('button').click();
  await page.locator('[name=decision][value=allow]').click();
  await page.waitForURL((url) => url.pathname === '/');
  await visit(page, '/seller.html#settings');
  await page.getByRole('button', { name: 'Disconnect' }).waitFor();
  assertQuiet(page, { except: [401, 403] });
  await page.context().close();
});

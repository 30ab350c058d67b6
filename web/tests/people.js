/** What people do on the storefront, as steps for journeys. All of it by hand: through the pages' forms. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after } from 'node:test';

import { STOREFRONT, assertQuiet, newPage } from './browser.js';

export const PASSWORD = 'justatest';
export const SELLER = 'test@seller.com';
export const STAFF = 'test@admin.com';
/** A course of the fixtures' seller. */
export const FIXTURE = { slug: 'flask-microservices', price: '$50.00' };
export const GOOD_CARD = '4242 4242 4242 4242';
export const DECLINED_CARD = '4000 0000 0000 0002';

/** Where the mails of the local stack stand. */
const MAILBOX = (process.env.MAILBOX_URL ?? 'http://localhost:4566').replace(/\/$/, '');
const MAIL_PATIENCE_MS = 30_000;

/** Waits for a mail to an address whose subject begins so. */
export async function mailTo(address, subject) {
  for (const began = Date.now(); Date.now() - began < MAIL_PATIENCE_MS; ) {
    const { items } = await (await fetch(`${MAILBOX}/mailbox.json`)).json();
    const found = items.filter((mail) => mail.to.includes(address) && mail.subject.startsWith(subject));
    if (found.length > 0) return found.at(-1);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`no mail “${subject}” to ${address}`);
}

/** How many mails an address has with a subject that begins so. */
export async function mailsTo(address, subject) {
  const { items } = await (await fetch(`${MAILBOX}/mailbox.json`)).json();
  return items.filter((mail) => mail.to.includes(address) && mail.subject.startsWith(subject)).length;
}

/** The place on the storefront that a mail's first link leads to. */
export function linkIn(mail) {
  const url = new URL(/^https?:\/\/\S+$/m.exec(mail.text)[0]);
  return `${url.pathname}${url.search}${url.hash}`;
}

/** An address that nobody has. */
export const newEmail = (name) => `${name}-${randomUUID().slice(0, 12)}@example.com`;

async function fillIn(page, email, password) {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password').fill(password);
  const form = page.locator('main form');
  await form.getByRole('button').click();
}

/** Signs up and ends where the form leads. */
export async function signUp(page, email = newEmail('buyer')) {
  await page.goto('/signup.html');
  await fillIn(page, email, PASSWORD);
  await page.getByRole('link', { name: 'Account', exact: true }).waitFor();
  return email;
}

export async function logIn(page, email, { at = '/login.html' } = {}) {
  if (at) await page.goto(at);
  await fillIn(page, email, PASSWORD);
  await page.getByRole('link', { name: 'Account', exact: true }).waitFor();
}

/** Searches for a user at the staff desk. */
export async function findUser(page, email) {
  await page.goto('/staff.html');
  await page.getByLabel('Search e-mail addresses').fill(email);
  await page.getByRole('button', { name: 'Search' }).click();
}

/** Goes to a user's page by the staff desk. */
export async function toUser(page, email) {
  await findUser(page, email);
  await page.getByRole('link', { name: email, exact: true }).click();
  await page.getByRole('heading', { level: 1, name: email }).waitFor();
}

let staff;
/** The staff's browser, which stays logged in for a test file. */
async function staffPage() {
  const page = await newPage();
  await logIn(page, STAFF);
  return page;
}

/** Makes a user a seller, as the staff. */
export async function makeSeller(email) {
  staff ??= staffPage();
  const page = await staff;
  await findUser(page, email);
  await page.getByRole('button', { name: `Make seller: ${email}` }).click();
  await page.getByText(`${email} is now a seller.`).waitFor();
  assertQuiet(page);
}

/** A page with a new seller signed in. */
export async function newSeller(options) {
  const page = await newPage(options);
  const email = await signUp(page, newEmail('seller'));
  await makeSeller(email);
  return { page, email };
}

/** Goes through Stripe's consent page. */
export async function connect(page, decision = 'allow') {
  await page.getByRole('link', { name: 'Connect Stripe account' }).first().click();
  await page.locator(`[name=decision][value=${decision}]`).click();
  await page.waitForURL((url) => url.pathname === '/');
}

/** Sees to it that the fixtures' seller can be paid. Does nothing from the second time on. */
export async function fixtureSellerIsConnected() {
  const page = await newPage();
  await logIn(page, SELLER);
  await page.goto('/seller.html');
  const linked = page.getByRole('button', { name: 'Disconnect' });
  await linked.or(page.getByRole('link', { name: 'Connect Stripe account' })).waitFor();
  if (!(await linked.isVisible())) {
    await connect(page);
    await page.getByText('Your Stripe account is connected.').waitFor();
  }
  await page.context().close();
}

/** A signed-in seller's courses. None where the seller is gone: so are the courses. */
async function coursesOf(headers) {
  const answer = await fetch(`${STOREFRONT}/api/users/me/courses?limit=100`, { headers });
  return answer.status === 401 ? [] : (await answer.json()).items;
}

/** Takes a seller's courses out of the catalogue but those that were there before. */
async function dropCourses(headers, before) {
  for (const { id, slug } of await coursesOf(headers)) {
    if (before.includes(id)) continue;
    const dropped = await fetch(`${STOREFRONT}/api/courses/${slug}`, { method: 'DELETE', headers });
    assert.equal(dropped.status, 204);
  }
}

/** Makes a course at the seller desk. It goes when the test ends, however that does, so that the next one finds the catalogue as this one did. */
export async function makeCourse(page, { title, description = 'What it is about.', price = '19.99', currency = 'usd' }) {
  const cookies = await page.context().cookies(STOREFRONT);
  const headers = { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; '), origin: STOREFRONT };
  const before = (await coursesOf(headers)).map(({ id }) => id);
  after(() => dropCourses(headers, before));
  await page.goto('/seller.html');
  await page.getByRole('button', { name: 'New course' }).click();
  const editor = page.getByRole('dialog');
  await editor.getByLabel('Title').fill(title);
  await editor.getByLabel('Description').fill(description);
  await editor.getByLabel('Currency').selectOption(currency);
  await editor.getByLabel('Price').fill(price);
  await editor.getByRole('button', { name: 'Save course' }).click();
  await page.getByText(`“${title}” is saved.`).waitFor();
  const href = await page.getByRole('link', { name: title, exact: true }).getAttribute('href');
  return new URL(href, page.url()).searchParams.get('slug');
}

/** A seller with a course who offers a membership at 10.00 a month and 100.00 a year: the desk, and the course's slug. */
export async function club(options) {
  const { page } = await newSeller(options);
  await page.goto('/seller.html');
  await connect(page);
  const slug = await makeCourse(page, { title: `Members read this ${Date.now()}` });
  await page.getByLabel('By the month').fill('10.00');
  await page.getByLabel('By the year').fill('100.00');
  await page.getByRole('button', { name: 'Offer it' }).click();
  await page.getByText('Your membership is offered beside your courses.').waitFor();
  return { page, slug };
}

export const courseAddress = (slug) => `/course.html?slug=${slug}`;

/** Goes from the course's page to Stripe's. */
export async function toCheckout(page, slug) {
  await page.goto(courseAddress(slug));
  await page.getByRole('button', { name: 'Buy this course' }).click();
  await cardField(page).waitFor();
}

export const cardField = (page) => page.locator('[name=card_number]');

/** Pays on Stripe's page. */
export async function pay(page, card = GOOD_CARD) {
  await cardField(page).fill(card);
  await page.locator('[name=action][value=pay]').click();
}

/** Waits for the purchase page to say how the purchase stands. */
export async function purchaseIs(page, status) {
  await page.locator(`#verdict[data-status=${status}]`).waitFor();
  assert.match(page.url(), /\/purchase\.html\?id=/);
}

/** How many purchases of a course the account page lists. */
export async function purchasesOf(page, title) {
  await page.goto('/account.html');
  const list = page.locator('#purchase-list:not([aria-busy])');
  await list.waitFor();
  return list.getByRole('link', { name: title, exact: true }).count();
}

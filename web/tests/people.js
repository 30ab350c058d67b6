/**
 * What users do on the storefront, as steps of journeys, by hand, through the pages' forms. Only what nearly every
 * journey begins with is asked of the API: a sign-up, and the role of a seller.
 */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after } from 'node:test';

import { STOREFRONT, assertQuiet, newPage } from './browser.js';

/** The password of everybody who signs up here. */
export const PASSWORD = 'unusual staple 71';
/** The password of the fixtures' users, which is too easy to guess for a sign-up. */
export const FIXTURE_PASSWORD = 'justatest';
export const SELLER = 'test@seller.com';
export const STAFF = 'test@admin.com';
/** A course by the fixtures' seller. */
export const FIXTURE = { slug: 'flask-microservices', price: '$50.00' };
export const GOOD_CARD = '4242 4242 4242 4242';
/** Its charge is disputed a moment after it was made. */
export const DISPUTED_CARD = '4000 0000 0000 0259';
export const DECLINED_CARD = '4000 0000 0000 0002';

/** The mailbox of the local stack. */
const MAILBOX = (process.env.MAILBOX_URL ?? 'http://localhost:4566').replace(/\/$/, '');
const MAIL_PATIENCE_MS = 30_000;

/** Waits for a mail to an address whose subject begins with this text. */
export async function mailTo(address, subject) {
  for (const began = Date.now(); Date.now() - began < MAIL_PATIENCE_MS; ) {
    const { items } = await (await fetch(`${MAILBOX}/mailbox.json`)).json();
    const found = items.filter((mail) => mail.to.includes(address) && mail.subject.startsWith(subject));
    if (found.length > 0) return found.at(-1);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`no mail “${subject}” to ${address}`);
}

/** How many mails to an address have a subject that begins with this text. */
export async function mailsTo(address, subject) {
  const { items } = await (await fetch(`${MAILBOX}/mailbox.json`)).json();
  return items.filter((mail) => mail.to.includes(address) && mail.subject.startsWith(subject)).length;
}

/** The path on the storefront of a mail's first link. */
export function linkIn(mail) {
  const url = new URL(/^https?:\/\/\S+$/m.exec(mail.text)[0]);
  return `${url.pathname}${url.search}${url.hash}`;
}

/** An unused address. */
export const newEmail = (name) => `${name}-${randomUUID().slice(0, 12)}@example.com`;

async function fillIn(page, email, password) {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(password);
  const form = page.locator('main form');
  await form.getByRole('button').click();
}

/** Signs up through the form and ends on the page that it leads to. */
export async function signUpByForm(page, email = newEmail('buyer')) {
  await page.goto('/signup.html');
  await fillIn(page, email, PASSWORD);
  await page.getByRole('link', { name: 'Account', exact: true }).waitFor();
  return email;
}

/** Signs up the page's browser, whose page stays as it is. */
export async function signUp(page, email = newEmail('buyer')) {
  const answer = await page.request.post('/api/users', { data: { email, password: PASSWORD }, headers: { origin: STOREFRONT } });
  assert.equal(answer.status(), 201, await answer.text());
  // The pages' scripts set it beside the session's.
  await page.context().addCookies([{ name: 'signed_in', value: '1', url: STOREFRONT }]);
  return email;
}

/** Confirms the logged-in user's address through its mail. */
export async function confirmAddress(page) {
  const { email } = await (await page.request.get('/api/users/me')).json();
  const elsewhere = await newPage();
  await elsewhere.goto(linkIn(await mailTo(email, 'Confirm your email address')));
  await elsewhere.getByRole('button', { name: 'Confirm address' }).click();
  await elsewhere.getByText('Your address is confirmed.').waitFor();
  await elsewhere.context().close();
}

export async function logIn(page, email, { at = '/login.html' } = {}) {
  if (at) await page.goto(at);
  await fillIn(page, email, email.startsWith('test@') ? FIXTURE_PASSWORD : PASSWORD);
  await page.getByRole('link', { name: 'Account', exact: true }).waitFor();
}

/** Goes to a section of a page, and reloads the page if it is already open. */
export async function visit(page, address) {
  await page.goto('about:blank');
  await page.goto(address);
}

/** Searches for a user at the staff desk. */
async function findUser(page, email) {
  await visit(page, '/staff.html#users');
  await page.getByLabel('Search by email').fill(email);
  await page.getByRole('button', { name: 'Search' }).click();
}

/** Goes to a user's page through the staff desk. */
export async function toUser(page, email) {
  await findUser(page, email);
  await page.getByRole('link', { name: email, exact: true }).click();
  await page.getByRole('heading', { level: 1, name: email }).waitFor();
}

let staff;
/** What the staff's requests say who they are with. There is one log-in per test file. */
async function staffHeaders() {
  const answer = await fetch(`${STOREFRONT}/api/sessions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: STAFF, password: FIXTURE_PASSWORD }) });
  assert.equal(answer.status, 200);
  return { authorization: `Bearer ${(await answer.json()).token}`, 'content-type': 'application/json' };
}

/** Makes a user a seller, as the staff. */
async function makeSeller(page) {
  staff ??= staffHeaders();
  const { id } = await (await page.request.get('/api/users/me')).json();
  const answer = await fetch(`${STOREFRONT}/api/admin/users/${id}`, { method: 'PATCH', headers: await staff, body: JSON.stringify({ is_seller: true }) });
  assert.equal(answer.status, 200, await answer.text());
}

/** A page with a new seller logged in. */
export async function newSeller(options) {
  const page = await newPage(options);
  const email = await signUp(page, newEmail('seller'));
  await makeSeller(page);
  return { page, email };
}

/** Goes through Stripe's consent page, with a Standard account, whose sales are charged directly. */
export async function connect(page, decision = 'allow') {
  await visit(page, '/seller.html');
  await page.getByRole('link', { name: 'Connect your existing account' }).click();
  await decide(page, decision);
}

/** The same with an Express account, whose sales are charged on the platform. */
export async function connectExpress(page) {
  await page.goto('/api/users/authorize?type=express');
  await decide(page, 'allow');
}

async function decide(page, decision) {
  await page.locator(`[name=decision][value=${decision}]`).click();
  await page.waitForURL((url) => url.pathname === '/');
}

/** Makes sure that the fixtures' seller can be paid. Does nothing after the first call. */
export async function fixtureSellerIsConnected() {
  const page = await newPage();
  await logIn(page, SELLER);
  await visit(page, '/seller.html#settings');
  const linked = page.getByRole('button', { name: 'Disconnect' });
  await linked.or(page.getByRole('link', { name: 'Connect your existing account' })).waitFor();
  if (!(await linked.isVisible())) {
    await connect(page);
    await page.getByText('Your Stripe account is connected.').waitFor();
  }
  await page.context().close();
}

/** A logged-in seller's courses; none if the seller no longer exists. */
async function coursesOf(headers) {
  const answer = await fetch(`${STOREFRONT}/api/users/me/courses?limit=100`, { headers });
  return answer.status === 401 ? [] : (await answer.json()).items;
}

/** Deletes a seller's courses except those that existed before. */
async function dropCourses(headers, before) {
  for (const { id, slug } of await coursesOf(headers)) {
    if (before.includes(id)) continue;
    const dropped = await fetch(`${STOREFRONT}/api/courses/${slug}`, { method: 'DELETE', headers });
    assert.equal(dropped.status, 204);
  }
}

/** Creates a course at the seller desk. It is deleted when the test ends, whatever its result, so that the next test finds the same catalogue. */
export async function makeCourse(page, { title, description = 'What it is about.', price = '19.99', currency = 'usd' }) {
  const cookies = await page.context().cookies(STOREFRONT);
  const headers = { cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; '), origin: STOREFRONT };
  const before = (await coursesOf(headers)).map(({ id }) => id);
  after(() => dropCourses(headers, before));
  await visit(page, '/seller.html#courses');
  await page.getByRole('button', { name: 'New course' }).click();
  const editor = page.getByRole('dialog');
  await editor.getByLabel('Title').fill(title);
  await editor.getByLabel('Description').fill(description);
  await editor.getByLabel('Currency').selectOption(currency);
  await editor.getByLabel('Price').fill(price);
  await editor.getByRole('button', { name: 'Save course' }).click();
  await page.getByText(`“${title}” is saved.`).waitFor();
  const href = await page.getByRole('link', { name: title, exact: true }).getAttribute('href');
  return href.split('/').at(-1);
}

/** A seller with a course who offers a membership at 10.00 a month and 100.00 a year. Returns the desk and the course's slug. */
export async function club(options) {
  const { page } = await newSeller(options);
  await page.goto('/seller.html');
  await connect(page);
  const slug = await makeCourse(page, { title: `Members read this ${Date.now()}` });
  await page.getByRole('link', { name: 'Membership', exact: true }).click();
  await page.getByLabel('Monthly price').fill('10.00');
  await page.getByLabel('Yearly price').fill('100.00');
  await page.getByRole('button', { name: 'Save membership' }).click();
  await page.getByText('Saved. Your membership is shown next to your courses.').waitFor();
  return { page, slug };
}

/** A course's possible lessons, as the API answers them. */
const LESSONS = ['Hello', 'A lesson with quite a long title, which takes two lines on a phone', 'Routes'].map((title, number) => ({ id: `les_${number}`, title, minutes: 10 + 60 * number, preview: number === 0 }));

/** Gives all courses that the page shows three lessons. */
export async function withLessons(page, wait = async () => {}) {
  const fulfill = (json) => async (route) => {
    await wait();
    await route.fulfill({ json }).catch(() => {});
  };
  const sections = [{ title: 'Basics', lessons: LESSONS.slice(0, 2) }, { title: 'Details', lessons: LESSONS.slice(2) }];
  await page.route('**/api/courses/*/outline', fulfill({ course_id: 'crs_1', sections, version: 1, updated_at: '2026-11-02T09:30:00Z' }));
  await page.route('**/api/courses/*/progress', fulfill({ course_id: 'crs_1', done: ['les_0'], last: 'les_1', updated_at: '2026-11-02T09:30:00Z' }));
  await page.route('**/api/courses/*/lessons/*', fulfill({ course_id: 'crs_1', id: 'les_1', title: LESSONS[1].title, content: '# A heading\n\nSome text.\n\n```\na line of code that is too long for a small screen, and can be scrolled\n```', version: 1, updated_at: '2026-11-02T09:30:00Z' }));
}

export const courseAddress = (slug) => `/courses/${slug}`;

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

/** Waits until the purchase page shows this status. */
export async function purchaseIs(page, status) {
  await page.locator(`#verdict[data-status=${status}]`).waitFor();
  assert.match(page.url(), /\/purchase\.html\?id=/);
}

/** How many purchases of a course the account page lists. */
export async function purchasesOf(page, title) {
  await visit(page, '/account.html#billing');
  const list = page.locator('#purchase-list:not([aria-busy])');
  await list.waitFor();
  return list.getByRole('link', { name: title, exact: true }).count();
}

/** Somebody buys a course. */
export async function sell(slug) {
  const buyer = await newPage();
  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  await buyer.context().close();
}

/** A seller's text is not lost by Esc, a reload or an ended session. Also its maximum length. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { logIn, makeCourse, newSeller, visit } from './people.js';

/** A new seller's desk, with a course. */
async function desk() {
  const { page, email } = await newSeller();
  const title = `Drafted ${Date.now()}`;
  const slug = await makeCourse(page, { title });
  const editor = page.getByRole('dialog');
  const open = async () => {
    await page.getByRole('button', { name: `Content: ${title}` }).click();
    await editor.waitFor();
  };
  const stored = async () => (await (await page.request.get(`/api/courses/${slug}/content`)).json()).content;
  return { page, email, title, slug, editor, text: editor.getByLabel('Course content'), open, stored };
}

test('text typed before Esc or a reload is restored, and can be discarded', async () => {
  const { page, title, editor, text, open, stored } = await desk();
  await open();
  await text.fill('Half a lesson');
  await page.keyboard.press('Escape');
  await editor.waitFor({ state: 'hidden' });
  assert.equal(await stored(), '');
  await page.getByRole('heading', { name: 'Unsaved drafts' }).waitFor();
  await open();
  await editor.getByText('This is your unsaved draft.').waitFor();
  await expect(text).toHaveValue('Half a lesson');
  await text.fill('Half a lesson, and more');
  await visit(page, '/seller.html');
  await page.getByRole('button', { name: `Continue: ${title}` }).click();
  await expect(text).toHaveValue('Half a lesson, and more');
  await editor.getByRole('button', { name: 'Discard draft' }).click();
  await expect(text).toHaveValue('');
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Unsaved drafts' }).waitFor({ state: 'detached' });
  assertQuiet(page);
  await page.context().close();
});

test('an ended session loses nothing: after the log-in the draft is restored, and can be saved', async () => {
  const { page, email, title, editor, text, open, stored } = await desk();
  await open();
  await text.fill('A whole evening’s work');
  await page.context().clearCookies({ name: /session/ });
  await editor.getByRole('button', { name: 'Save content' }).click();
  await page.waitForURL('**/login.html?**');
  await logIn(page, email, { at: null });
  await page.waitForURL('**/seller.html#courses');
  await page.getByRole('button', { name: `Continue: ${title}` }).click();
  await expect(text).toHaveValue('A whole evening’s work');
  await editor.getByRole('button', { name: 'Save content' }).click();
  await page.getByText('Readers see it from now on.').waitFor();
  assert.equal(await stored(), 'A whole evening’s work');
  await expect(page.getByRole('heading', { name: 'Unsaved drafts' })).toHaveCount(0);
  await open();
  await expect(editor.getByText('This is your unsaved draft.')).toHaveCount(0);
  assertQuiet(page, { except: [401] });
  await page.context().close();
});

test('a draft of content that was saved elsewhere since says so, and only its author sees it', async () => {
  const { page, slug, editor, text, open } = await desk();
  await open();
  await text.fill('From this window');
  await page.keyboard.press('Escape');
  await page.request.put(`/api/courses/${slug}/content`, { data: { content: 'From another window' }, headers: { origin: STOREFRONT } });
  await open();
  await editor.getByText('The content was saved elsewhere since then').waitFor();
  const names = await page.evaluate(() => Object.keys(localStorage));
  const { id } = await (await page.request.get('/api/users/me')).json();
  assert.ok(names.length > 0 && names.every((name) => name.startsWith(`draft:${id}:`)), String(names));
  await page.context().close();
});

test('an unsaved new course is restored after a reload', async () => {
  const { page, editor } = await desk();
  await page.getByRole('button', { name: 'New course' }).click();
  await editor.getByLabel('Title').fill('Not yet');
  await editor.getByLabel('Price').fill('12');
  await page.keyboard.press('Escape');
  await visit(page, '/seller.html');
  await page.getByRole('button', { name: 'Continue: Not yet' }).click();
  await expect(editor.getByLabel('Title')).toHaveValue('Not yet');
  await expect(editor.getByLabel('Price')).toHaveValue('12');
  // A price that could never be charged is refused here with a message.
  await editor.getByLabel('Price').fill('0.10');
  await editor.getByText('The lowest price is $0.50.').waitFor();
  assertQuiet(page);
  await page.context().close();
});

test('unsaved changes of a course are restored, can be discarded, and are cleared by saving', async () => {
  const { page, title, editor } = await desk();
  const edit = page.getByRole('button', { name: `Edit: ${title}` });
  await edit.click();
  await editor.getByLabel('Description').fill('A better description');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: `Continue: ${title}: details` }).click();
  await editor.getByText('This is your unsaved draft.').waitFor();
  await expect(editor.getByLabel('Description')).toHaveValue('A better description');
  await editor.getByRole('button', { name: 'Discard draft' }).click();
  await expect(editor.getByLabel('Description')).toHaveValue('What it is about.');
  await editor.getByLabel('Description').fill('The best description');
  await editor.getByRole('button', { name: 'Save course' }).click();
  await page.getByText(`“${title}” is saved.`).waitFor();
  await edit.click();
  await expect(editor.getByText('This is your unsaved draft.')).toHaveCount(0);
  await expect(editor.getByLabel('Description')).toHaveValue('The best description');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('heading', { name: 'Unsaved drafts' })).toHaveCount(0);
  assertQuiet(page);
  await page.context().close();
});

test('content is counted in bytes while it is typed, and content that is too long is not sent', async () => {
  const { page, editor, text, open, stored } = await desk();
  await open();
  await editor.getByText('0 of 50,000 bytes.').waitFor();
  await text.fill('あ'.repeat(16_666));
  await editor.getByText('49,998 of 50,000 bytes.').waitFor();
  assert.equal(await text.evaluate((field) => field.validity.valid), true);
  await text.fill('あ'.repeat(20_000));
  await editor.getByText('60,000 of 50,000 bytes: 10,000 too many.').waitFor();
  let sent = 0;
  page.on('request', (request) => (sent += request.method() === 'PUT' ? 1 : 0));
  await editor.getByRole('button', { name: 'Save content' }).click();
  assert.equal(await text.evaluate((field) => field.validationMessage), 'This is 10,000 bytes too long. Shorten it, or split it into lessons.');
  assert.equal(sent, 0);
  // Nothing is cut off: all of the pasted text is there, to be shortened.
  assert.equal((await text.inputValue()).length, 20_000);
  await text.fill('あ'.repeat(16_666));
  await editor.getByRole('button', { name: 'Save content' }).click();
  await page.getByText('Readers see it from now on.').waitFor();
  assert.equal((await stored()).length, 16_666);
  assertQuiet(page);
  await page.context().close();
});

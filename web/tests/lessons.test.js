/** A course with lessons: written at the seller desk, previewed by visitors, read by buyers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import axe from 'axe-core';

import { STOREFRONT, assertQuiet, expect, newPage, newTab } from './browser.js';
import { connect, courseAddress, makeCourse, newSeller, pay, purchaseIs, signUp, toCheckout, visit } from './people.js';

const PHONE = { width: 390, height: 844 };

/** A new seller's course, with its list of lessons open. */
async function desk(options) {
  const { page } = await newSeller(options);
  await page.goto('/seller.html');
  await connect(page);
  const title = `With lessons ${Date.now()}`;
  const slug = await makeCourse(page, { title, price: '20.00' });
  const editor = page.getByRole('dialog', { name: `Lessons of “${title}”` });
  const open = async () => {
    await page.getByRole('button', { name: `Lessons: ${title}` }).click();
    await editor.waitFor();
  };
  await open();
  return { page, title, slug, editor, open };
}

/** Writes a lesson's text in the dialog above the list. */
async function write(page, lesson, text) {
  await page.getByRole('button', { name: `Text: ${lesson}` }).click();
  const dialog = page.getByRole('dialog', { name: `Content of “${lesson}”` });
  await dialog.getByLabel('Lesson text').fill(text);
  await dialog.getByRole('button', { name: 'Save content' }).click();
  await dialog.waitFor({ state: 'hidden' });
}

/** Adds a section with lessons, the first of which is a preview. */
async function fill(page, editor) {
  await editor.getByRole('button', { name: 'Add section' }).click();
  await editor.getByLabel('Title of section 1').fill('Basics');
  await editor.getByRole('button', { name: /^Add lesson: / }).click();
  await editor.getByLabel('Title of lesson 1.1').fill('Hello');
  await editor.getByLabel('Minutes of lesson 1.1').fill('70');
  await editor.getByRole('checkbox', { name: /^Preview: / }).check();
  await editor.getByRole('button', { name: /^Add lesson: / }).click();
  await editor.getByLabel('Title of lesson 1.2').fill('Routes');
}

const LOST = { status: 504, contentType: 'application/problem+json', json: { code: 'timeout', status: 504, request_id: 'the-request' } };

test('lessons and a text whose answers are lost are found to be saved, and those that never arrived are saved again', async () => {
  const { page, slug, editor } = await desk();
  await fill(page, editor);
  const outline = async () => (await page.request.get(`/api/courses/${slug}/outline`)).json();
  const lose = async (path, arrives) => {
    const handler = async (route) => {
      if (route.request().method() !== 'PUT') return route.fallback();
      if (arrives) await route.fetch();
      await route.fulfill(LOST);
      return page.unroute(path, handler);
    };
    await page.route(path, handler);
  };
  const save = () => editor.getByRole('button', { name: 'Save lessons' }).click();
  await lose('**/api/courses/*/outline', false);
  await save();
  await editor.getByText('We don’t know yet whether the lessons were saved.').waitFor();
  await lose('**/api/courses/*/outline', true);
  await save();
  await page.getByText('They are listed on the course’s page.').waitFor();
  const { version, sections } = await outline();
  assert.deepEqual([version, sections[0].lessons.map(({ title }) => title)], [1, ['Hello', 'Routes']]);

  await page.getByRole('button', { name: /^Lessons: / }).click();
  const dialog = page.getByRole('dialog', { name: 'Content of “Routes”' });
  await page.getByRole('button', { name: 'Text: Routes' }).click();
  await dialog.getByLabel('Lesson text').fill('All about routes.');
  await lose('**/api/courses/*/lessons/*', false);
  await dialog.getByRole('button', { name: 'Save content' }).click();
  await dialog.getByText('We don’t know yet whether the text was saved.').waitFor();
  await lose('**/api/courses/*/lessons/*', true);
  await dialog.getByRole('button', { name: 'Save content' }).click();
  await editor.getByText('Readers see it from now on.').waitFor();
  await expect(editor.getByText('Unsaved text')).toHaveCount(0);
  const lesson = await (await page.request.get(`/api/courses/${slug}/lessons/${sections[0].lessons[1].id}`)).json();
  assert.deepEqual([lesson.version, lesson.content], [1, 'All about routes.']);
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('a draft of lessons that were saved although the answer was lost is no draft any more', async () => {
  const { page, slug, editor, open } = await desk();
  await fill(page, editor);
  let sent;
  await page.route('**/api/courses/*/outline', (route) => {
    if (route.request().method() !== 'PUT') return route.continue();
    sent = route.request().postDataJSON();
    return route.fulfill(LOST);
  });
  await editor.getByRole('button', { name: 'Save lessons' }).click();
  await editor.getByText('We don’t know yet whether the lessons were saved.').waitFor();
  const late = await page.request.put(`/api/courses/${slug}/outline`, { data: sent, headers: { origin: STOREFRONT } });
  assert.equal(late.status(), 200);
  await page.keyboard.press('Escape');
  await page.getByRole('heading', { name: 'Unsaved drafts' }).waitFor();
  await open();
  await expect(editor.getByLabel('Title of lesson 1.2')).toHaveValue('Routes');
  await expect(editor.getByText('These are your unsaved changes.')).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(page.getByRole('heading', { name: 'Unsaved drafts' })).toHaveCount(0);
  assertQuiet(page, { except: [504] });
  await page.context().close();
});

test('a seller writes lessons, a visitor sees them and reads a preview, and a buyer reads on where they were', async () => {
  const { page, title, slug, editor } = await desk();
  await fill(page, editor);
  await write(page, 'Hello', '# Hello, world\n\nRead **this**.');
  await editor.getByText('Readers see it from now on.').waitFor();
  await write(page, 'Routes', 'All about routes.');
  await editor.getByRole('button', { name: 'Save lessons' }).click();
  await page.getByText('They are listed on the course’s page.').waitFor();
  await page.getByRole('button', { name: `Content: ${title}` }).click();
  await page.getByLabel('Course content').fill('Welcome to the course.');
  await page.getByRole('button', { name: 'Save content' }).click();
  await page.getByText('Readers see it from now on.').waitFor();

  const buyer = await newPage({ viewport: PHONE });
  await buyer.goto(courseAddress(slug));
  const outline = buyer.getByRole('region', { name: 'In this course' });
  await outline.getByText('2 lessons, over 1 h 10 min').waitFor();
  await expect(outline.getByRole('listitem')).toHaveText([/Hello.*1 h 10 min.*Preview/, /^Routes$/]);
  await outline.getByRole('button', { name: 'Preview: Hello' }).click();
  const preview = buyer.getByRole('dialog', { name: 'Hello' });
  await preview.getByRole('heading', { name: 'Hello, world' }).waitFor();
  await preview.getByRole('button', { name: 'Close' }).click();
  await expect(outline.getByRole('button', { name: 'Preview: Hello' })).toBeFocused();

  await signUp(buyer);
  await toCheckout(buyer, slug);
  await pay(buyer);
  await purchaseIs(buyer, 'paid');
  await buyer.getByRole('link', { name: 'Start the course' }).click();
  const content = buyer.locator('#content');
  await content.getByText('Welcome to the course.').waitFor();
  await content.getByText('0 of 2 lessons done.').waitFor();
  await expect(buyer.getByRole('link', { name: 'Start reading' })).toBeVisible();
  await content.getByRole('link', { name: 'Next: Hello' }).click();
  await content.getByRole('heading', { level: 4, name: 'Hello, world' }).waitFor();
  await expect(content.getByRole('heading', { level: 3, name: 'Hello' })).toBeFocused();
  await content.getByRole('button', { name: 'Mark as done' }).click();
  await content.getByText('1 of 2 lessons done.').waitFor();
  await expect(content.getByRole('progressbar', { name: 'Lessons done' })).toHaveJSProperty('value', 1);
  await content.getByRole('button', { name: 'Mark as not done' }).waitFor();
  await content.getByRole('link', { name: 'Next: Routes' }).click();
  await content.getByText('All about routes.').waitFor();
  await buyer.getByRole('link', { name: 'Continue' }).waitFor();

  await visit(buyer, courseAddress(slug));
  await content.getByText('All about routes.').waitFor();
  await content.getByText('1 of 2 lessons done.').waitFor();
  const lessons = content.getByRole('navigation', { name: 'Lessons' });
  await expect(lessons.getByRole('link', { name: 'Routes' })).toHaveAttribute('aria-current', 'true');
  await lessons.getByRole('link', { name: 'Done: Hello' }).click();
  await content.getByRole('button', { name: 'Mark as not done' }).click();
  await content.getByText('0 of 2 lessons done.').waitFor();
  await buyer.goBack();
  await content.getByText('All about routes.').waitFor();

  // The seller reads it too, without progress.
  await page.goto(courseAddress(slug));
  await page.locator('#content').getByRole('link', { name: 'Routes' }).click();
  await page.locator('#content').getByText('All about routes.').waitFor();
  await expect(page.locator('#content').getByRole('progressbar')).toHaveCount(0);
  assertQuiet(page);
  assertQuiet(buyer);
  await page.context().close();
  await buyer.context().close();
});

test('a lesson’s video is loaded from its site once the reader plays it, and no other site is framed', async () => {
  const { page, slug, editor } = await desk();
  await fill(page, editor);
  await page.getByRole('button', { name: 'Text: Hello' }).click();
  await page.getByText('To show a video from YouTube or Vimeo, put its link on a line of its own, between blank lines.').waitFor();
  await page.getByRole('dialog', { name: 'Content of “Hello”' }).getByRole('button', { name: 'Close' }).click();
  await write(page, 'Hello', 'Watch this.\n\n[The film](https://youtu.be/aqz-KE-bpKQ)\n\nhttps://vimeo.com/76979871\n\nhttps://videos.example/film');
  await editor.getByRole('button', { name: 'Save lessons' }).click();
  await page.getByText('They are listed on the course’s page.').waitFor();

  const watch = async (reader, lesson) => {
    const asked = [];
    await reader.context().route(/^https:/, (route) => {
      asked.push(route.request().url());
      return route.fulfill({ contentType: 'text/html', body: '<title>Player</title>' });
    });
    await reader.evaluate(() => {
      globalThis.blocked = [];
      document.addEventListener('securitypolicyviolation', (event) => globalThis.blocked.push(event.blockedURI));
    });
    const play = lesson.getByRole('button', { name: 'Play the video from www.youtube-nocookie.com: The film' });
    await play.waitFor();
    await expect(lesson.getByRole('link')).toHaveText(['The film', 'https://vimeo.com/76979871', 'https://videos.example/film']);
    await expect(lesson.locator('.embed')).toHaveCount(2);
    const box = lesson.locator('.embed-box').first();
    // Wherever the page is scrolled to.
    const place = () => box.evaluate(({ offsetTop, offsetWidth, offsetHeight }) => [offsetTop, offsetWidth, offsetHeight]);
    const before = await place();
    assert.ok(Math.abs(before[1] / before[2] - 16 / 9) < 0.02 && before[1] <= PHONE.width, JSON.stringify(before));
    assert.equal(await reader.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
    assert.deepEqual(asked, []);
    await reader.evaluate(axe.source);
    const problems = () => reader.evaluate(async () => (await globalThis.axe.run(document, { iframes: false, resultTypes: ['violations'] })).violations.map(({ id }) => id));
    assert.deepEqual(await problems(), []);

    await play.focus();
    await expect(play).toBeFocused();
    await reader.keyboard.press('Enter');
    const player = lesson.locator('iframe');
    await expect(player).toHaveAttribute('title', 'The film');
    await expect(player).toBeFocused();
    for (const [name, value] of [['src', 'https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ'], ['sandbox', 'allow-scripts allow-same-origin allow-presentation'], ['allow', 'fullscreen; picture-in-picture; encrypted-media'], ['referrerpolicy', 'strict-origin-when-cross-origin']]) {
      await expect(player).toHaveAttribute(name, value);
    }
    await expect.poll(() => asked).toEqual(['https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ']);
    assert.deepEqual(await place(), before);
    assert.deepEqual(await problems(), []);
    await reader.emulateMedia({ media: 'print' });
    await expect(box).toBeHidden();
    await expect(lesson.getByRole('link', { name: 'The film' })).toBeVisible();
    await reader.emulateMedia({ media: null });
    assert.deepEqual(await reader.evaluate(() => globalThis.blocked), []);
    assertQuiet(reader);

    // Whatever the script does, the page's policy has the last word.
    await reader.evaluate(() => document.body.append(Object.assign(document.createElement('iframe'), { src: 'https://videos.example/film' })));
    await expect.poll(() => reader.evaluate(() => globalThis.blocked)).toEqual(['https://videos.example']);
    assert.equal(asked.length, 1);
  };
  const visitor = await newPage({ viewport: PHONE });
  await visitor.goto(courseAddress(slug));
  await visitor.getByRole('button', { name: 'Preview: Hello' }).click();
  await watch(visitor, visitor.getByRole('dialog', { name: 'Hello' }));
  await visitor.context().close();

  // At the address with an id, which is a file.
  const { id } = await (await page.request.get(`/api/courses/${slug}`)).json();
  await page.setViewportSize(PHONE);
  await page.goto(`/course.html?id=${id}`);
  const lesson = page.locator('#content article');
  await lesson.getByRole('heading', { name: 'Hello' }).waitFor();
  await watch(page, lesson.locator('.markdown'));
  await page.context().close();
});

test('lessons and sections are moved with the keyboard, and removed only after a question', async () => {
  const { page, slug, editor, open } = await desk({ viewport: PHONE });
  await fill(page, editor);
  await write(page, 'Routes', 'All about routes.');
  await editor.getByRole('button', { name: 'Add section' }).click();
  await expect(editor.getByLabel('Title of section 2')).toBeFocused();
  await page.keyboard.type('Details');
  await editor.getByRole('button', { name: 'Down: Hello' }).focus();
  await page.keyboard.press('Enter');
  await expect(editor.getByLabel('Title of lesson 1.2')).toHaveValue('Hello');
  await expect(editor.getByRole('button', { name: 'Down: Hello' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(editor.getByLabel('Title of lesson 2.1')).toHaveValue('Hello');
  // It is at the end, so the focus moves to the button that can still be used.
  await expect(editor.getByRole('button', { name: 'Up: Hello' })).toBeFocused();
  await editor.getByRole('button', { name: /^Up: Details/ }).click();
  await expect(editor.getByLabel('Title of section 1')).toHaveValue('Details');
  await editor.getByRole('button', { name: 'Save lessons' }).click();
  await page.getByText('They are listed on the course’s page.').waitFor();
  const visitor = await newPage();
  await visitor.goto(courseAddress(slug));
  const outline = visitor.getByRole('region', { name: 'In this course' });
  await expect(outline.getByRole('heading', { level: 3 })).toHaveText(['Details', 'Basics']);
  await expect(outline.locator('.lesson-title')).toHaveText(['Hello', 'Routes']);

  await open();
  await editor.getByRole('button', { name: 'Remove: Routes' }).click();
  await editor.getByRole('button', { name: 'Save lessons' }).click();
  const question = page.getByRole('dialog', { name: 'Remove a lesson?' });
  await question.getByText('“Routes”').waitFor();
  await question.getByRole('button', { name: 'Cancel' }).click();
  await page.keyboard.press('Escape');
  await editor.waitFor({ state: 'hidden' });
  // It is still there, and the change is a draft.
  await visitor.reload();
  await expect(outline.locator('.lesson-title')).toHaveText(['Hello', 'Routes']);
  await page.getByRole('button', { name: /: lessons$/ }).click();
  await editor.getByText('These are your unsaved changes.').waitFor();
  await expect(editor.getByRole('button', { name: 'Remove: Routes' })).toHaveCount(0);
  await editor.getByRole('button', { name: 'Save lessons' }).click();
  await question.getByRole('button', { name: 'Remove and save' }).click();
  await page.getByText('They are listed on the course’s page.').waitFor();
  await visitor.reload();
  await expect(outline.locator('.lesson-title')).toHaveText(['Hello']);
  assertQuiet(page);
  assertQuiet(visitor);
  await page.context().close();
  await visitor.context().close();
});

test('of two tabs that change lessons, the later one is told, and loses nothing', async () => {
  const { page, title, editor, open } = await desk();
  await fill(page, editor);
  await write(page, 'Hello', 'First text.');
  const tab = await newTab(page);
  await tab.goto('/seller.html');
  await tab.getByRole('button', { name: `Lessons: ${title}` }).click();
  const other = tab.getByRole('dialog', { name: `Lessons of “${title}”` });
  await other.getByLabel('Title of lesson 1.2').fill('Paths');
  await other.getByRole('button', { name: 'Text: Hello' }).click();
  const text = tab.getByRole('dialog', { name: 'Content of “Hello”' });
  await expect(text.getByLabel('Lesson text')).toHaveValue('First text.');

  // The list: the other tab has saved it on the way to the text.
  await editor.getByLabel('Title of section 1').fill('Beginnings');
  await editor.getByRole('button', { name: 'Save lessons' }).click();
  await editor.getByText('The lessons were saved somewhere else in the meantime.').waitFor();
  await expect(editor.getByLabel('Title of section 1')).toHaveValue('Beginnings');
  await expect(editor.getByLabel('Title of lesson 1.2')).toHaveValue('Routes');
  await editor.getByRole('button', { name: 'Use the other list' }).click();
  await expect(editor.getByLabel('Title of section 1')).toHaveValue('Basics');
  await expect(editor.getByLabel('Title of lesson 1.2')).toHaveValue('Paths');

  // A text.
  await write(page, 'Hello', 'Second text.');
  await text.getByLabel('Lesson text').fill('Third text.');
  await text.getByRole('button', { name: 'Save content' }).click();
  await text.getByText('This was saved somewhere else while you wrote.').waitFor();
  await expect(text.getByLabel('Lesson text')).toHaveValue('Third text.');
  await text.getByRole('button', { name: 'Save content' }).click();
  await text.waitFor({ state: 'hidden' });
  await page.keyboard.press('Escape');
  await open();
  await editor.getByRole('button', { name: 'Text: Hello' }).click();
  await expect(page.getByLabel('Lesson text')).toHaveValue('Third text.');
  assertQuiet(page, { except: [409] });
  assertQuiet(tab, { except: [409] });
  await page.context().close();
});

test('long runs of special characters freeze no page', { timeout: 60_000 }, async () => {
  const page = await newPage();
  await page.goto('/404.html');
  const lengths = await page.evaluate(async () => {
    const { markdown } = await import('/js/markdown.js');
    return ['`', '[', '*', '`a', '*a'].map((one) => {
      const box = document.createElement('div');
      box.append(...markdown(`x${one.repeat(20_000)}`));
      return box.textContent.length;
    });
  });
  assert.deepEqual(lengths.slice(0, 2), [20_001, 20_001]);
  assert.ok(lengths.every((length) => length > 0));
  await page.context().close();
});

/** The dialog in which a seller edits a course's content or a lesson. Unsaved text is kept in the browser. */

import { api, part } from './api.js';
import { embedHint, embedHosts } from './embeds.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { button, byId, h, notice, onSubmit, say } from './ui.js';

/** The API's limit in bytes: a Japanese character is three bytes. */
const MOST_BYTES = 50_000;
const KEEP_AFTER_MS = 300;

const editor = byId('content-editor');
const form = byId('content-form');
const field = form.elements.namedItem('content');
const outcome = byId('content-outcome');
const counter = byId('content-count');

/** The text in the editor: of a course, or of a lesson. */
let edited;
/** Which version of the text is edited, according to the API. */
let base;
let saved = '';
let timer;
let kept;
let told = () => {};

export const draftName = (course) => `content:${course.id}`;
export const lessonDraftName = (course, lesson) => `lesson:${course.id}:${lesson.id}`;

/** A course's content, to be edited. */
export const contentOf = (course) => ({
  name: draftName(course),
  label: 'Course content',
  title: course.title,
  path: `/courses/${part(course.id)}/content`,
  versionOf: (answer) => answer.updated_at,
  body: (content) => ({ content }),
});

/** A lesson, to be edited. The API refuses to replace what was not read. */
export const lessonOf = (course, lesson) => ({
  name: lessonDraftName(course, lesson),
  label: 'Lesson text',
  title: lesson.title,
  path: `/courses/${part(course.id)}/lessons/${part(lesson.id)}`,
  versionOf: (answer) => answer.version,
  body: (content) => ({ content, version: base }),
});

/**
 * Connects the dialog.
 *
 * @param {object} drafts the user's
 * @param {(news: Element|null) => void} news receives a notice about what was saved; drafts may have changed
 */
export function contentEditor(drafts, news) {
  kept = drafts;
  told = news;
  field.addEventListener('input', () => {
    count();
    clearTimeout(timer);
    timer = setTimeout(keep, KEEP_AFTER_MS);
  });
  byId('content-cancel').addEventListener('click', () => editor.close());
  editor.addEventListener('close', () => {
    keep();
    edited?.news(null);
  });
  window.addEventListener('pagehide', keep);
  onSubmit(form, save);
}

/** @returns {number} how many bytes a text is stored in */
const size = (text) => new TextEncoder().encode(text).length;

function count() {
  const bytes = size(field.value);
  const over = bytes - MOST_BYTES;
  const figure = (number) => new Intl.NumberFormat().format(number);
  counter.textContent = over > 0 ? `${figure(bytes)} of ${figure(MOST_BYTES)} bytes: ${figure(over)} too many.` : `${figure(bytes)} of ${figure(MOST_BYTES)} bytes.`;
  counter.classList.toggle('is-over', over > 0);
  field.setCustomValidity(over > 0 ? `This is ${figure(over)} bytes too long. Shorten it, or split it into lessons.` : '');
}

/** Keeps text that differs from the saved text. */
function keep() {
  clearTimeout(timer);
  timer = undefined;
  if (!edited) return;
  if (field.value === saved) kept.forget(edited.name);
  else kept.keep(edited.name, { content: field.value, title: edited.title }, base);
}

/**
 * Opens a text, or its unsaved draft.
 *
 * @param {object} text of {@link contentOf} or {@link lessonOf}
 * @param {(trouble: Element) => void} failed
 * @param {(news: Element|null) => void} [news] receives what {@link contentEditor}'s receives otherwise
 */
export async function openText(text, failed, news = told) {
  let answer;
  let hosts;
  try {
    [answer, hosts] = await Promise.all([api.get(text.path, { cache: 'no-store' }), embedHosts()]);
  } catch (error) {
    if (error.status === 401) goToLogin();
    else failed(problem(`We couldn’t open “${text.title}”.`, error));
    return;
  }
  edited = { ...text, news };
  saved = answer.content;
  base = text.versionOf(answer);
  field.value = saved;
  byId('content-label').textContent = text.label;
  byId('content-videos').textContent = embedHint(hosts);
  byId('content-title').replaceChildren('Content of “', h('bdi', {}, text.title), '”');
  say(outcome, null);
  restore();
  count();
  editor.showModal();
}

function restore() {
  const draft = kept.read(edited.name);
  if (!draft || draft.value.content === saved) return;
  field.value = draft.value.content;
  const since = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(draft.at));
  const discard = button('Discard draft', useSaved);
  const changed = (draft.base ?? null) !== (base ?? null);
  say(outcome, notice('plain', 'This is your unsaved draft.', changed ? `You wrote it on ${since}. The content was saved elsewhere since then: saving this draft replaces that.` : `You wrote it on ${since}. It isn’t saved yet.`, [discard]));
}

function useSaved() {
  field.value = saved;
  kept.forget(edited.name);
  count();
  say(outcome, null);
  field.focus();
}

/**
 * Reads what is stored, after a conflict or a lost answer. It may be this text: then an answer was lost. Anything else is replaced by saving again.
 *
 * @returns {Promise<boolean>} whether this text is stored
 */
async function meet(text, content, error) {
  const unknown = 'We don’t know yet whether the text was saved.';
  const version = base;
  let answer;
  try {
    answer = await api.get(text.path, { cache: 'no-store' });
  } catch (trouble) {
    say(outcome, problem(error.isOutage ? unknown : 'The text wasn’t saved.', trouble));
    return false;
  }
  saved = answer.content;
  base = text.versionOf(answer);
  keep();
  if (content === saved) return true;
  if (base === version) say(outcome, problem(unknown, error, { text: 'It isn’t so far. Your text is still here: save it again in a moment.' }));
  else say(outcome, notice('bad', 'This was saved somewhere else while you wrote.', 'Your text is still here, and isn’t saved. Saving it again replaces the other one.', [button('Use the other text', useSaved)]));
  return false;
}

async function save({ content }) {
  say(outcome, null);
  const text = edited;
  try {
    base = text.versionOf(await api.put(text.path, text.body(content)));
  } catch (error) {
    keep();
    if (error.status === 401) {
      goToLogin();
      await new Promise(() => {});
    }
    if (error.code !== 'conflict' && !error.isOutage) {
      const how = error.code === 'invalid_request' ? { text: 'The text contains hidden control characters. Remove them and try again.' } : {};
      say(outcome, problem('The content wasn’t saved.', error, how));
      return;
    }
    if (!(await meet(text, content, error))) return;
  }
  saved = content;
  kept.forget(text.name);
  editor.close();
  text.news(notice('good', ['The content of “', h('bdi', {}, text.title), '” is saved.'], 'Readers see it from now on.'));
}

/** The dialog in which a seller edits a course's content. Unsaved text is kept in the browser. */

import { api, part } from './api.js';
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

/** The course in the editor. */
let edited;
/** When the edited content was last saved, according to the API. */
let base;
let saved = '';
let timer;
let kept;
let told = () => {};

export const draftName = (course) => `content:${course.id}`;

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
    told(null);
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
  field.setCustomValidity(over > 0 ? `This is ${figure(over)} bytes too long. Shorten it, or split the course in two.` : '');
}

/** Keeps text that differs from the saved text. */
function keep() {
  clearTimeout(timer);
  timer = undefined;
  if (!edited) return;
  if (field.value === saved) kept.forget(draftName(edited));
  else kept.keep(draftName(edited), { content: field.value, title: edited.title }, base);
}

/** Opens the course's content, or its unsaved draft. */
export async function openContent(course, failed) {
  let answer;
  try {
    answer = await api.get(`/courses/${part(course.id)}/content`, { cache: 'no-store' });
  } catch (error) {
    if (error.status === 401) goToLogin();
    else failed(problem(`We couldn’t open the content of “${course.title}”.`, error));
    return;
  }
  edited = course;
  saved = answer.content;
  base = answer.updated_at;
  field.value = saved;
  byId('content-title').replaceChildren('Content of “', h('bdi', {}, course.title), '”');
  say(outcome, null);
  restore();
  count();
  editor.showModal();
}

function restore() {
  const draft = kept.read(draftName(edited));
  if (!draft || draft.value.content === saved) return;
  field.value = draft.value.content;
  const since = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(draft.at));
  const discard = button('Discard draft', () => {
    field.value = saved;
    kept.forget(draftName(edited));
    count();
    say(outcome, null);
    field.focus();
  });
  const changed = (draft.base ?? null) !== (base ?? null);
  say(outcome, notice('plain', 'This is your unsaved draft.', changed ? `You wrote it on ${since}. The content was saved elsewhere since then: saving this draft replaces that.` : `You wrote it on ${since}. It isn’t saved yet.`, [discard]));
}

async function save({ content }) {
  say(outcome, null);
  const course = edited;
  try {
    ({ updated_at: base } = await api.put(`/courses/${part(course.slug)}/content`, { content }));
  } catch (error) {
    keep();
    if (error.status === 401) {
      goToLogin();
      await new Promise(() => {});
    }
    const text = error.code === 'invalid_request' ? { text: 'The text contains hidden control characters. Remove them and try again.' } : {};
    say(outcome, problem('The content wasn’t saved.', error, text));
    return;
  }
  saved = content;
  kept.forget(draftName(course));
  editor.close();
  told(notice('good', ['The content of “', h('bdi', {}, course.title), '” is saved.'], 'Your buyers see it from now on.'));
}

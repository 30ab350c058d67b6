/** The dialog in which a seller edits a course's sections and lessons. Unsaved changes are kept in the browser. */

import { api, part } from './api.js';
import { problem } from './problems.js';
import { lessonDraftName, lessonOf, openText } from './seller-content.js';
import { goToLogin } from './session.js';
import { busy, button, byId, confirmed, h, notice, onSubmit, say } from './ui.js';

/** The API's limits. */
const MOST_SECTIONS = 50;
const MOST_LESSONS = 200;
const MOST_REMOVED = 50;
const MOST_MINUTES = 600;

const editor = byId('outline-editor');
const form = byId('outline-form');
const outcome = byId('outline-outcome');

let course;
/** The outline according to the API. */
let saved;
/** The edited sections. Each section and lesson has a `key`, which stays when it moves. */
let sections = [];
let keys = 0;
let kept;
let told = () => {};

export const outlineDraftName = ({ id }) => `outline:${id}`;

/**
 * Connects the dialog.
 *
 * @param {object} drafts the user's
 * @param {(news: Element|null) => void} news receives a notice about what was saved; drafts may have changed
 */
export function outlineEditor(drafts, news) {
  kept = drafts;
  told = news;
  byId('outline-cancel').addEventListener('click', () => editor.close());
  byId('outline-add').addEventListener('click', () => add(sections, newSection()));
  editor.addEventListener('close', () => told(null));
  onSubmit(form, async () => {
    if (!(await save())) return;
    editor.close();
    told(notice('good', ['The lessons of “', h('bdi', {}, course.title), '” are saved.'], 'They are listed on the course’s page.'));
  });
}

const newLesson = () => ({ key: (keys += 1), title: '', minutes: '', preview: false });
const newSection = () => ({ key: (keys += 1), title: '', lessons: [] });
const all = (list) => list.flatMap(({ lessons }) => lessons);

/** Sections as the API takes them, and as drafts keep them. */
const plain = (list) =>
  list.map(({ title, lessons }) => ({
    title: title.trim(),
    lessons: lessons.map(({ id, title: name, minutes, preview }) => ({ id, title: name.trim(), minutes: minutes ? Number(minutes) : undefined, preview })),
  }));

/** The sections to edit. Lessons that the API does not know any more are new ones. */
function edit(list) {
  const known = new Set(all(saved.sections).map(({ id }) => id));
  sections = list.map(({ title, lessons }) => ({
    ...newSection(),
    title,
    lessons: lessons.map(({ id, title: name, minutes, preview }) => ({ ...newLesson(), id: known.has(id) ? id : undefined, title: name, minutes: minutes ?? '', preview })),
  }));
}

/**
 * Whether the API has what is in the editor, apart from the ids of new lessons: then an answer was lost.
 *
 * @param {object[]} before the sections before they were edited, whose lessons are not new
 */
function isStored(before) {
  const known = new Set(all([...before, ...sections]).map(({ id }) => id));
  const text = (list) => JSON.stringify(plain(list), (name, value) => (name === 'id' && !known.has(value) ? undefined : value));
  return text(sections) === text(saved.sections);
}

function keep() {
  const name = outlineDraftName(course);
  const now = plain(sections);
  if (JSON.stringify(now) === JSON.stringify(plain(saved.sections))) kept.forget(name);
  else kept.keep(name, { sections: now }, saved.version);
}

/** Opens a course's outline, or its unsaved draft. */
export async function openOutline(of, failed) {
  try {
    saved = await api.get(`/courses/${part(of.id)}/outline`, { cache: 'no-store' });
  } catch (error) {
    if (error.status === 401) goToLogin();
    else failed(problem(`We couldn’t open the lessons of “${of.title}”.`, error));
    return;
  }
  course = of;
  byId('outline-title').replaceChildren('Lessons of “', h('bdi', {}, of.title), '”');
  say(outcome, null);
  const draft = kept.read(outlineDraftName(of));
  edit(draft?.value.sections ?? saved.sections);
  if (draft && draft.base !== saved.version && isStored([])) {
    kept.forget(outlineDraftName(of));
    edit(saved.sections);
  } else if (draft) {
    const elsewhere = draft.base === saved.version ? '' : 'The lessons were saved elsewhere since then: saving these replaces that.';
    say(outcome, notice('plain', 'These are your unsaved changes.', elsewhere, [button('Discard changes', discard)]));
  }
  show();
  editor.showModal();
}

function discard() {
  edit(saved.sections);
  kept.forget(outlineDraftName(course));
  say(outcome, null);
  show();
  byId('outline-add').focus();
}

/** Shows the list again after something was added, moved or removed. */
function show(focus = '') {
  byId('outline-list').replaceChildren(...sections.map(sectionBox));
  byId('outline-add').disabled = sections.length >= MOST_SECTIONS;
  const wanted = focus && form.querySelector(`[data-key="${focus}"]`);
  // At the end of the list, a button has nowhere left to move to.
  const other = wanted?.disabled && form.querySelector(`[data-key="${focus.startsWith('up') ? focus.replace('up', 'down') : focus.replace('down', 'up')}"]`);
  (other || wanted || null)?.focus();
}

function change(focus) {
  keep();
  show(focus);
}

function add(list, item) {
  list.push(item);
  change(`title-${item.key}`);
}

function tell(text) {
  byId('outline-moved').textContent = text;
}

function input(item, field, attributes) {
  const control = h('input', { type: 'text', autocomplete: 'off', dir: 'auto', 'data-key': `${field}-${item.key}`, ...attributes });
  control.value = item[field];
  control.addEventListener('input', () => {
    item[field] = control.value;
    for (const other of form.querySelectorAll(`[data-of="${item.key}"]`)) other.setAttribute('aria-label', `${other.dataset.text}: ${nameOf(item)}`);
    keep();
  });
  return control;
}

const nameOf = ({ title }) => title || 'untitled';
/** The attributes of a control whose name follows the title of a section or lesson. */
const named = (text, item) => ({ 'aria-label': `${text}: ${nameOf(item)}`, 'data-text': text, 'data-of': item.key });
const small = (text, action, item, work, attributes = {}) => button(text, work, { class: 'button button-small', 'data-key': `${action}-${item.key}`, ...named(text, item), ...attributes });

function swap(list, at, to, item, text) {
  [list[at], list[to]] = [list[to], list[at]];
  tell(text);
  change(`${to < at ? 'up' : 'down'}-${item.key}`);
}

function sectionBox(section, at) {
  const move = (to) => () => swap(sections, at, to, section, `${nameOf(section)}: section ${to + 1} of ${sections.length}`);
  const remove = () => {
    sections.splice(at, 1);
    keep();
    show();
    byId('outline-add').focus();
  };
  const more = small('Add lesson', 'add', section, () => add(section.lessons, newLesson()), { disabled: all(sections).length >= MOST_LESSONS });
  return h(
    'fieldset',
    { class: 'fieldset outline-section' },
    h('legend', { class: 'hidden' }, `Section ${at + 1}`),
    h(
      'div',
      { class: 'outline-row' },
      input(section, 'title', { 'aria-label': `Title of section ${at + 1}`, placeholder: 'Section title', maxlength: '200', required: true, class: 'outline-name' }),
      h(
        'div',
        { class: 'row-actions' },
        small('Up', 'up', section, move(at - 1), { disabled: at === 0 }),
        small('Down', 'down', section, move(at + 1), { disabled: at === sections.length - 1 }),
        small('Remove', 'remove', section, remove),
      ),
    ),
    h('ol', { class: 'outline-lessons' }, section.lessons.map((lesson, number) => lessonRow(section, at, lesson, number))),
    more,
  );
}

/** Moves a lesson by one place, at the end of a section to the next one. */
function moveLesson(section, at, lesson, number, step) {
  const inside = number + step;
  if (inside >= 0 && inside < section.lessons.length) {
    swap(section.lessons, number, inside, lesson, `${nameOf(lesson)}: lesson ${inside + 1} of ${section.lessons.length}`);
    return;
  }
  const target = sections[at + step];
  section.lessons.splice(number, 1);
  if (step < 0) target.lessons.push(lesson);
  else target.lessons.unshift(lesson);
  tell(`${nameOf(lesson)}: moved to ${nameOf(target)}`);
  change(`${step < 0 ? 'up' : 'down'}-${lesson.key}`);
}

function lessonRow(section, at, lesson, number) {
  const place = `lesson ${at + 1}.${number + 1}`;
  const move = (step) => () => moveLesson(section, at, lesson, number, step);
  const remove = () => {
    section.lessons.splice(number, 1);
    change(`add-${section.key}`);
  };
  const write = small('Text', 'text', lesson, () => busy(write, () => writeText(at, number)));
  const check = h('input', { type: 'checkbox', id: `preview-${lesson.key}`, ...named('Preview', lesson) });
  check.checked = lesson.preview;
  check.addEventListener('change', () => {
    lesson.preview = check.checked;
    keep();
  });
  const hasDraft = lesson.id && kept.read(lessonDraftName(course, lesson));
  return h(
    'li',
    { class: 'outline-row' },
    input(lesson, 'title', { 'aria-label': `Title of ${place}`, placeholder: 'Lesson title', maxlength: '200', required: true, class: 'outline-name' }),
    input(lesson, 'minutes', { type: 'number', 'aria-label': `Minutes of ${place}`, placeholder: 'Minutes', min: '1', max: String(MOST_MINUTES), step: '1', class: 'outline-minutes' }),
    h('div', { class: 'check' }, check, h('label', { for: `preview-${lesson.key}` }, 'Preview')),
    h(
      'div',
      { class: 'row-actions' },
      write,
      small('Up', 'up', lesson, move(-1), { disabled: at === 0 && number === 0 }),
      small('Down', 'down', lesson, move(1), { disabled: at === sections.length - 1 && number === section.lessons.length - 1 }),
      small('Remove', 'remove', lesson, remove),
      hasDraft && h('span', { class: 'label label-warn' }, 'Unsaved text'),
    ),
  );
}

/** Opens a lesson's text. The list is saved first, because a new lesson gets its id then. */
async function writeText(at, number) {
  if (!form.reportValidity()) return;
  const isSaved = sections[at].lessons[number].id && !kept.read(outlineDraftName(course));
  if (!isSaved && !(await save())) return;
  const lesson = sections[at].lessons[number];
  const hear = (news) => {
    if (news) say(outcome, news);
    show(`text-${lesson.key}`);
  };
  await openText(lessonOf(course, lesson), (trouble) => say(outcome, trouble), hear);
}

/** @returns {Promise<boolean>} whether it is saved */
async function save() {
  say(outcome, null);
  const listed = new Set(all(sections).map(({ id }) => id));
  const removed = all(saved.sections).filter(({ id }) => !listed.has(id));
  if (removed.length > MOST_REMOVED) {
    say(outcome, notice('bad', 'That’s too many at once.', `You can remove up to ${MOST_REMOVED} lessons at a time, and this would remove ${removed.length}.`));
    return false;
  }
  const what = removed.length === 1 ? 'a lesson' : `${removed.length} lessons`;
  const text = `Their text is deleted for everybody: ${removed.map(({ title }) => `“${title}”`).join(', ')}.`;
  if (removed.length > 0 && !(await confirmed({ title: `Remove ${what}?`, text, yes: 'Remove and save' }))) return false;
  try {
    saved = await api.put(`/courses/${part(course.id)}/outline`, { version: saved.version, sections: plain(sections) });
  } catch (error) {
    keep();
    if (error.status === 401) {
      goToLogin();
      await new Promise(() => {});
    }
    if (error.code !== 'conflict' && !error.isOutage) {
      const how = error.code === 'invalid_request' ? { text: 'Check the titles: a title is one line without hidden characters.' } : {};
      say(outcome, problem('The lessons weren’t saved.', error, how));
      return false;
    }
    if (!(await meet(error))) return false;
  }
  for (const lesson of removed) kept.forget(lessonDraftName(course, lesson));
  kept.forget(outlineDraftName(course));
  edit(saved.sections);
  show();
  return true;
}

/**
 * Reads what is stored, after a conflict or a lost answer. It may be this list: then an answer was lost. Anything else is replaced by saving again.
 *
 * @returns {Promise<boolean>} whether this list is stored
 */
async function meet(error) {
  const unknown = 'We don’t know yet whether the lessons were saved.';
  const before = saved;
  try {
    saved = await api.get(`/courses/${part(course.id)}/outline`, { cache: 'no-store' });
  } catch (trouble) {
    say(outcome, problem(error.isOutage ? unknown : 'The lessons weren’t saved.', trouble));
    return false;
  }
  if (isStored(before.sections)) return true;
  if (saved.version === before.version) {
    say(outcome, problem(unknown, error, { text: 'They haven’t been so far. Your list is still here: save it again in a moment.' }));
    return false;
  }
  edit(plain(sections));
  keep();
  show();
  say(outcome, notice('bad', 'The lessons were saved somewhere else in the meantime.', 'Your list is still here, and isn’t saved. Check it: saving it again replaces the other one.', [button('Use the other list', discard)]));
  return false;
}

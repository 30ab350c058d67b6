/** A seller's own courses: the list, and the dialog to create and edit them. */

import { api, part } from './api.js';
import { leastPrice, offerCurrencies } from './currencies.js';
import { drafts as draftsOf } from './drafts.js';
import { pagedList } from './list.js';
import { example, format, parse, toField } from './money.js';
import { problem } from './problems.js';
import { contentEditor, contentOf, draftName, openText } from './seller-content.js';
import { openOutline, outlineDraftName, outlineEditor } from './seller-outline.js';
import { goToLogin } from './session.js';
import { withTerms } from './terms.js';
import { busy, button, byId, confirmed, courseAddress, h, menu, notice, onSubmit, say, table } from './ui.js';

const COLUMNS = [{ title: 'Course' }, { title: 'Status' }, { title: 'Platform fee', number: true }, { title: 'Price', number: true }, { title: 'Actions' }];
/** The key of the draft of a course, or of a new one. */
const typedName = (course) => `course:${course?.id ?? 'new'}`;

const outcome = byId('course-outcome');
const editor = byId('editor');
const form = byId('editor-form');
const field = (name) => form.elements.namedItem(name);
const FIELDS = ['title', 'description', 'price', 'currency', 'slug'];

let list;
let drafts;
/** The listed courses; undefined until the list has been loaded. */
let shown;
/** The course in the editor; null for a new one. */
let edited = null;
/** New courses that may have been created although no answer arrived: their titles, and the ids that were listed before. */
let lost = null;
/** The ids that were listed when the dialog was opened. */
let known;
/** The form's values when it was opened, to detect changes. */
let before = '';

/** Shows the list and connects its buttons. */
export function courses(user) {
  drafts = draftsOf(user.id);
  let rows;
  list = pagedList({
    root: byId('course-list'),
    name: 'courses',
    load: (cursor) => api.get('/users/me/courses', { query: { limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Courses', COLUMNS);
      return rows;
    },
    row: (course) => rows.row(cells(course)),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'You don’t have any courses yet. All it takes is a title, a few sentences and a price.')),
    changed: (items) => {
      shown = items;
      tellDrafts();
    },
    failed: (error) => error.status === 401 && (goToLogin(), true),
    news: outcome,
  });
  const make = byId('new-course');
  make.addEventListener('click', () => busy(make, () => open(null)));
  byId('editor-cancel').addEventListener('click', () => editor.close());
  editor.addEventListener('close', () => {
    keepTyped();
    tellDrafts();
  });
  form.addEventListener('input', keepTyped);
  field('price').addEventListener('input', preview);
  field('currency').addEventListener('change', preview);
  onSubmit(form, save);
  const hear = (news) => {
    if (news) say(outcome, news);
    tellDrafts();
  };
  contentEditor(drafts, hear);
  outlineEditor(drafts, hear);
  return list.ready;
}

function cells(course) {
  const act = (text, work, sure = async () => true) => {
    const control = button(text, async () => (await sure()) && busy(control, work), {
      class: 'button button-small',
      'aria-label': `${text}: ${course.title}`,
      'data-focus': ['Edit', 'Content', 'Lessons'].includes(text) ? `${text} ${course.id}` : `More ${course.id}`,
    });
    return control;
  };
  const more = menu('More', { 'aria-label': `More: ${course.title}`, 'data-focus': `More ${course.id}` }, [
    act(course.published ? 'Unpublish' : 'Publish', () => publish(course)),
    act('Delete', () => remove(course), () => sureToRemove(course)),
  ]);
  return [
    h('a', { href: courseAddress(course.published ? course.slug : course.id), dir: 'auto' }, course.title),
    h('span', { class: `label label-${course.published ? 'good' : 'plain'}` }, course.published ? 'Published' : 'Not published'),
    `${course.fee_percent}%`,
    format(course.price.amount, course.price.currency),
    h('div', { class: 'row-actions' }, act('Edit', () => open(course)), act('Content', () => editContent(course)), act('Lessons', () => editOutline(course)), more),
  ];
}

/** Shows which courses have an unsaved draft, with links to them. */
function tellDrafts() {
  const listed = shown ?? [];
  const line = (text, work) => {
    const control = button('Continue', () => busy(control, work), { class: 'button button-small', 'aria-label': `Continue: ${text}` });
    return h('li', {}, h('span', { dir: 'auto' }, text), control);
  };
  const fresh = drafts.read(typedName(null));
  const lines = [
    ...(fresh ? [line(fresh.value.title || 'A new course', () => open(null))] : []),
    ...listed.filter((course) => drafts.read(typedName(course))).map((course) => line(`${course.title}: details`, () => open(course))),
    ...listed.filter((course) => drafts.read(draftName(course))).map((course) => line(course.title, () => editContent(course))),
    ...listed.filter((course) => drafts.read(outlineDraftName(course))).map((course) => line(`${course.title}: lessons`, () => editOutline(course))),
  ];
  byId('drafts').replaceChildren(...(lines.length > 0 ? [h('section', { class: 'notice notice-plain', 'aria-labelledby': 'drafts-title' }, h('h3', { class: 'notice-title', id: 'drafts-title' }, 'Unsaved drafts'), h('ul', { class: 'rows' }, lines))] : []));
}

function editContent(course) {
  say(outcome, null);
  return openText(contentOf(course), (trouble) => say(outcome, trouble));
}

function editOutline(course) {
  say(outcome, null);
  return openOutline(course, (trouble) => say(outcome, trouble));
}

async function change(failure, done, work) {
  say(outcome, null);
  try {
    await withTerms(work);
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem(failure, error));
    return;
  }
  await list.reload();
  say(outcome, notice('good', done));
}

const publish = (course) =>
  change(
    `“${course.title}” wasn’t changed.`,
    course.published ? `“${course.title}” is no longer in the catalog.` : `“${course.title}” is now in the catalog.`,
    () => api.patch(`/courses/${part(course.slug)}`, { published: !course.published }),
  );

const sureToRemove = (course) =>
  confirmed({
    title: `Delete “${course.title}”?`,
    text: 'It leaves the catalog for good. People who bought it keep access, and your sales stay on record.',
    yes: 'Delete course',
  });

const remove = (course) =>
  change(`“${course.title}” wasn’t deleted.`, `“${course.title}” was deleted.`, async () => {
    await api.delete(`/courses/${part(course.slug)}`);
    for (const name of [draftName(course), outlineDraftName(course), typedName(course)]) drafts.forget(name);
  });

const typed = () => ({ ...Object.fromEntries(FIELDS.map((name) => [name, field(name).value])), published: field('published').checked });

function fill(values) {
  for (const name of FIELDS) field(name).value = values[name] ?? '';
  field('published').checked = values.published;
}

/** Keeps the draft until it is saved. */
function keepTyped() {
  if (!before) return;
  if (JSON.stringify(typed()) === before) drafts.forget(typedName(edited));
  else drafts.keep(typedName(edited), typed());
}

async function open(course) {
  say(outcome, null);
  before = '';
  form.reset();
  edited = course;
  known = shown?.map(({ id }) => id);
  await offerCurrencies(field('currency'), course?.price.currency);
  byId('editor-title').textContent = course ? 'Edit course' : 'New course';
  byId('slug-field').hidden = Boolean(course);
  say(byId('editor-outcome'), null);
  if (course) {
    const { amount, currency } = course.price;
    fill({ ...course, slug: '', currency, price: toField(amount, currency) });
  }
  before = JSON.stringify(typed());
  restore();
  preview();
  editor.showModal();
}

/** Restores an unsaved draft. */
function restore() {
  const draft = drafts.read(typedName(edited));
  if (!draft) return;
  const asSaved = JSON.parse(before);
  fill(draft.value);
  const discard = button('Discard draft', () => {
    fill(asSaved);
    drafts.forget(typedName(edited));
    if (!edited) lost = null;
    preview();
    say(byId('editor-outcome'), null);
    field('title').focus();
  });
  say(byId('editor-outcome'), notice('plain', 'This is your unsaved draft.', '', [discard]));
}

/** A price in the minor unit, or a message about what to enter instead. */
function priceOf(text, currency) {
  const { amount, fault } = parse(text, currency);
  const least = leastPrice(currency);
  if (!fault && amount < least) return { fault: `The lowest price is ${format(least, currency)}.` };
  return { amount, fault };
}

/** Shows what buyers will see, or what to enter instead. */
function preview() {
  const { value: text } = field('price');
  const { value: currency } = field('currency');
  const { amount, fault } = priceOf(text, currency);
  field('price').setCustomValidity(text && fault ? fault : '');
  if (!text) byId('price-hint').textContent = `For example ${example(currency)}.`;
  else byId('price-hint').textContent = fault ?? `Buyers pay ${format(amount, currency)}.`;
}

/**
 * Looks in the list for a course that was created although no answer arrived, and edits that one from now on.
 *
 * @returns {Promise<boolean>} whether there is one
 */
async function findLost() {
  await list.reload();
  const found = lost.known && shown?.find(({ id, title }) => lost.titles.includes(title) && !lost.known.includes(id));
  if (!found) return false;
  lost = null;
  drafts.forget(typedName(null));
  edited = found;
  byId('editor-title').textContent = 'Edit course';
  byId('slug-field').hidden = true;
  return true;
}

async function save(values) {
  const region = byId('editor-outcome');
  say(region, null);
  const { amount, fault } = priceOf(values.price, values.currency);
  if (fault) {
    say(region, notice('bad', 'This price can’t be used.', fault));
    field('price').focus();
    return;
  }
  const course = {
    title: values.title.trim(),
    description: values.description.trim(),
    price: { amount, currency: values.currency },
    published: field('published').checked,
  };
  if (!edited && lost) await findLost();
  try {
    if (edited) await withTerms(() => api.patch(`/courses/${part(edited.slug)}`, course));
    else {
      await withTerms(() => api.post('/courses', values.slug ? { ...course, slug: values.slug } : course));
      lost = null;
    }
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      await new Promise(() => {});
    }
    const isLost = !edited && error.isOutage;
    if (isLost) {
      lost ??= { known, titles: [] };
      lost.titles.push(course.title);
    }
    if (!isLost || !(await findLost())) {
      say(region, isLost ? unknown(error) : refused(error));
      return;
    }
  }
  drafts.forget(typedName(edited));
  before = '';
  form.reset();
  editor.close();
  await list.reload();
  say(outcome, notice('good', `“${course.title}” is saved.`));
}

const unknown = (error) =>
  problem('We don’t know yet whether the course was saved.', error, { text: 'It isn’t in your list so far. Save it again in a moment: if it’s there by then, it’s changed, not created twice.' });

function refused(error) {
  const text = error.code === 'invalid_request' ? { text: 'Check the title, the price and the text: a hidden character, or a price that is too low for your Stripe account, can’t be saved.' } : {};
  return problem('The course wasn’t saved.', error, text);
}

/** A seller's own courses: the list, and the dialog that makes and changes them. */

import { api, part } from './api.js';
import { offerCurrencies } from './currencies.js';
import { pagedList } from './list.js';
import { format, fractionDigits, parse, toMajor } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, byId, confirmed, h, notice, onSubmit, say, table } from './ui.js';

const COLUMNS = [{ title: 'Course' }, { title: 'State' }, { title: 'Platform fee', number: true }, { title: 'Price', number: true }, { title: 'Actions' }];

const outcome = byId('course-outcome');
const editor = byId('editor');
const form = byId('editor-form');
const field = (name) => form.elements.namedItem(name);

const contentEditor = byId('content-editor');
const contentForm = byId('content-form');

let list;
/** The course in the editor; null is a new one. */
let edited = null;

/** Shows the list and makes its buttons work. */
export function courses() {
  let rows;
  list = pagedList({
    root: byId('course-list'),
    name: 'courses',
    load: (cursor) => api.get('/users/me/courses', { query: { limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('My courses', COLUMNS);
      return rows;
    },
    row: (course) => rows.row(cells(course)),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'You have no courses yet. Make the first one: it takes a title, a few sentences and a price.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
  const make = byId('new-course');
  make.addEventListener('click', () => busy(make, () => open(null)));
  byId('editor-cancel').addEventListener('click', () => editor.close());
  field('price').addEventListener('input', preview);
  field('currency').addEventListener('change', preview);
  onSubmit(form, save);
  byId('content-cancel').addEventListener('click', () => contentEditor.close());
  onSubmit(contentForm, saveContent);
}

function cells(course) {
  const act = (text, work, sure = async () => true) => {
    const control = button(text, async () => (await sure()) && busy(control, work), { class: 'button button-small', 'aria-label': `${text}: ${course.title}` });
    return control;
  };
  return [
    h('a', { href: `/course.html?slug=${encodeURIComponent(course.slug)}` }, course.title),
    h('span', { class: `label label-${course.published ? 'good' : 'plain'}` }, course.published ? 'Published' : 'Not published'),
    `${course.fee_percent}%`,
    format(course.price.amount, course.price.currency),
    h('div', { class: 'row-actions' }, act('Edit', () => open(course)), act('Content', () => openContent(course)), act(course.published ? 'Unpublish' : 'Publish', () => publish(course)), act('Delete', () => remove(course), () => sureToRemove(course))),
  ];
}

async function change(failure, done, work) {
  say(outcome, null);
  try {
    await work();
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem(failure, error));
    return;
  }
  say(outcome, notice('good', done));
  await list.reload();
}

const publish = (course) =>
  change(
    `“${course.title}” was not changed.`,
    course.published ? `“${course.title}” is out of the catalogue.` : `“${course.title}” stands in the catalogue.`,
    () => api.patch(`/courses/${part(course.slug)}`, { published: !course.published }),
  );

const sureToRemove = (course) =>
  confirmed({
    title: `Delete “${course.title}”?`,
    text: 'It leaves the catalogue for good. Your sales, and the purchases of those who bought it, stay on record.',
    yes: 'Delete course',
  });

const remove = (course) => change(`“${course.title}” was not deleted.`, `“${course.title}” is deleted.`, () => api.delete(`/courses/${part(course.slug)}`));

async function open(course) {
  // What was typed for a new course stays until it is saved.
  if (course || edited) form.reset();
  edited = course;
  await offerCurrencies(field('currency'), course?.price.currency);
  byId('editor-title').textContent = course ? 'Edit course' : 'New course';
  byId('slug-field').hidden = Boolean(course);
  say(byId('editor-outcome'), null);
  if (course) {
    field('title').value = course.title;
    field('description').value = course.description;
    field('currency').value = course.price.currency;
    field('price').value = toMajor(course.price.amount, course.price.currency);
    field('published').checked = course.published;
  }
  preview();
  editor.showModal();
}

/** Says what buyers will see, or what to type instead. */
function preview() {
  const { value: text } = field('price');
  const { value: currency } = field('currency');
  const { amount, fault } = parse(text, currency);
  field('price').setCustomValidity(text && fault ? fault : '');
  const example = fractionDigits(currency) === 0 ? '5000' : '49.50';
  if (!text) byId('price-hint').textContent = `Such as ${example}.`;
  else byId('price-hint').textContent = fault ?? `Buyers pay ${format(amount, currency)}.`;
}

async function save(values) {
  const region = byId('editor-outcome');
  say(region, null);
  const { amount, fault } = parse(values.price, values.currency);
  if (fault) {
    say(region, notice('bad', 'The price cannot be used.', fault));
    field('price').focus();
    return;
  }
  const course = {
    title: values.title.trim(),
    description: values.description.trim(),
    price: { amount, currency: values.currency },
    published: field('published').checked,
  };
  try {
    if (edited) await api.patch(`/courses/${part(edited.slug)}`, course);
    else await api.post('/courses', values.slug ? { ...course, slug: values.slug } : course);
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(region, problem('The course was not saved.', error));
    return;
  }
  form.reset();
  editor.close();
  say(outcome, notice('good', `“${course.title}” is saved.`));
  await list.reload();
}

/** Opens what the course's buyers read. */
async function openContent(course) {
  say(outcome, null);
  edited = course;
  try {
    const { content } = await api.get(`/courses/${part(course.slug)}/content`, { cache: 'no-store' });
    contentForm.elements.namedItem('content').value = content;
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem(`The content of “${course.title}” could not be opened.`, error));
    return;
  }
  byId('content-title').textContent = `Content of “${course.title}”`;
  say(byId('content-outcome'), null);
  contentEditor.showModal();
}

async function saveContent({ content }) {
  const region = byId('content-outcome');
  say(region, null);
  try {
    await api.put(`/courses/${part(edited.slug)}/content`, { content });
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(region, problem('The content was not saved.', error));
    return;
  }
  contentEditor.close();
  say(outcome, notice('good', `The content of “${edited.title}” is saved.`, 'Whoever bought the course reads it from now on.'));
}

/** A course's sections and lessons, as lists. */

import { api, part } from './api.js';
import { embedHosts, videos } from './embeds.js';
import { markdown } from './markdown.js';
import { problem } from './problems.js';
import { bdi, busy, button, h } from './ui.js';

/** All lessons of an outline, in order; none if there is no outline. */
export const lessonsOf = (outline) => (outline?.sections ?? []).flatMap(({ lessons }) => lessons);

/** @returns {string} such as “1 h 20 min”; empty if there is no estimate */
function duration(minutes) {
  const hours = Math.floor(minutes / 60);
  return [hours > 0 && `${hours} h`, minutes % 60 > 0 && `${minutes % 60} min`].filter(Boolean).join(' ');
}

/** A lesson's estimate, or nothing. */
export const estimate = ({ minutes }) => minutes > 0 && h('span', { class: 'muted small lesson-time' }, duration(minutes));

/** @returns {string} such as “12 lessons, 2 h 10 min”, or “over 2 h 10 min” if not every lesson has an estimate */
export function summary(outline) {
  const lessons = lessonsOf(outline);
  const minutes = lessons.reduce((sum, one) => sum + (one.minutes ?? 0), 0);
  const time = lessons.every((one) => one.minutes) ? duration(minutes) : minutes > 0 && `over ${duration(minutes)}`;
  return [`${lessons.length} ${lessons.length === 1 ? 'lesson' : 'lessons'}`, time].filter(Boolean).join(', ');
}

/**
 * The sections that have lessons.
 *
 * @param {object} outline
 * @param {(lesson: object) => Array} line what to show of a lesson
 * @returns {Element[]}
 */
export function sectionLists(outline, line) {
  const sections = outline.sections.filter(({ lessons }) => lessons.length > 0);
  return sections.flatMap(({ title, lessons }) => [h('h3', { dir: 'auto' }, title), h('ol', { class: 'lessons' }, lessons.map((lesson) => h('li', {}, line(lesson))))]);
}

/** What is in a course, for those who have not bought it. */
export function contents(course, outline) {
  return h(
    'section',
    { class: 'outline', id: 'outline', 'aria-labelledby': 'outline-title' },
    h('h2', { id: 'outline-title' }, 'In this course'),
    h('p', { class: 'muted' }, summary(outline)),
    sectionLists(outline, (lesson) => [h('span', { class: 'lesson-title', dir: 'auto' }, lesson.title), estimate(lesson), lesson.preview && previewButton(course, lesson)]),
  );
}

function previewButton(course, lesson) {
  const control = button('Preview', () => busy(control, () => preview(course, lesson)), { class: 'button button-small', 'aria-label': `Preview: ${lesson.title}` });
  return control;
}

/** Shows a lesson that everybody may read. */
async function preview(course, lesson) {
  let body;
  try {
    const [{ content }, hosts] = await Promise.all([api.get(`/courses/${part(course.id)}/lessons/${part(lesson.id)}`, { cache: 'no-cache' }), embedHosts()]);
    body = content ? h('div', { class: 'markdown' }, markdown(content, 2, videos(hosts))) : h('p', { class: 'muted' }, 'There’s nothing here yet.');
  } catch (error) {
    body = h('div', { role: 'alert' }, problem('We couldn’t load this lesson.', error));
  }
  const dialog = h('dialog', { class: 'dialog dialog-wide', 'aria-labelledby': 'preview-title' }, h('h2', { id: 'preview-title' }, bdi(lesson.title)), body);
  dialog.append(h('div', { class: 'actions' }, button('Close', () => dialog.close())));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

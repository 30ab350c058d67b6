/** A course as a card, in the catalogue and in the library. */

import { cover } from './cover.js';
import { h } from './ui.js';

const EXCERPT = 240;

/** @returns {string} the teacher's name, if the API returns one */
export const teacherOf = (course) => course.seller?.name ?? '';

/**
 * @param {object} course
 * @param {string} course.seed the seed of its picture
 * @param {string} course.href
 * @param {string} course.title
 * @param {string} [course.teacher]
 * @param {string} [course.text]
 * @param {Node} foot the price, or a link
 */
export function courseCard({ seed, href, title, teacher = '', text = '' }, foot) {
  return h(
    'li',
    { class: 'card' },
    h('div', { class: 'card-cover' }, cover(seed)),
    h('h3', {}, h('a', { href, dir: 'auto', title: title.length > 60 && title }, title)),
    teacher && h('p', { class: 'card-teacher', dir: 'auto' }, teacher),
    text && h('p', { class: 'card-text', dir: 'auto' }, text.slice(0, EXCERPT)),
    foot,
  );
}

/** Placeholders for cards. */
export const cardSkeletons = (count, lines) =>
  h('div', { class: 'cards', 'aria-hidden': 'true' }, Array.from({ length: count }, () => h('div', { class: 'card' }, h('div', { class: 'card-cover' }), lines())));

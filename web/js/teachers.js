/** Teachers of whom only the id is known. */

import { api, part } from './api.js';
import { bdi, h, sellerAddress } from './ui.js';

/** @returns {Promise<object[]>} their newest courses in the catalogue */
export const coursesBy = async (id, limit = 100) => (await api.get('/courses', { query: { seller: id, limit }, cache: 'no-cache' })).items;

/**
 * A teacher's name and page, which the API gives with a single course.
 *
 * @param {object} [course] one of theirs from the catalogue
 * @returns {Promise<{name: string, handle: string}|null>} null without a course or a page, or if it can't be read
 */
export async function teacherWith(course) {
  if (!course) return null;
  const { seller } = await api.get(`/courses/${part(course.id)}`, { cache: 'no-cache' }).catch(() => ({}));
  return seller?.handle ? seller : null;
}

/** The same, of a teacher's id. */
export const teacherBy = (id) => coursesBy(id, 1).then(([course]) => teacherWith(course), () => null);

/** @returns {Element} a link to the teacher's page */
export const teacherLink = ({ handle, name }) => h('a', { href: sellerAddress(handle) }, bdi(name));

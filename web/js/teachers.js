/** Teachers of whom only the id is known. */

import { api, part } from './api.js';
import { bdi, h, sellerAddress } from './ui.js';

/** @returns {Promise<object[]>} their newest courses in the catalogue */
export const coursesBy = async (id, limit = 100) => (await api.get('/courses', { query: { seller: id, limit }, cache: 'no-cache' })).items;

/**
 * A teacher's name and page, which the API gives with each of their courses.
 *
 * @returns {Promise<{name: string, handle: string}|null>} null if they have no page or no course, or if it can't be read
 */
export async function teacherBy(id) {
  try {
    const [course] = await coursesBy(id, 1);
    const { seller } = course ? await api.get(`/courses/${part(course.id)}`, { cache: 'no-cache' }) : {};
    return seller?.handle ? seller : null;
  } catch {
    return null;
  }
}

/** @returns {Element} a link to the teacher's page */
export const teacherLink = ({ handle, name }) => h('a', { href: sellerAddress(handle) }, bdi(name));

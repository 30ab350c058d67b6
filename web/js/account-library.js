/** A user's library: purchased courses, and those included in memberships. */

import { api } from './api.js';
import { purchasePage } from './checkout.js';
import { cardSkeletons, courseCard } from './course-card.js';
import { pagedList } from './list.js';
import { subscriptionLabel } from './membership.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { ownsCourse, statusLabel } from './status.js';
import { coursesBy, teacherLink, teacherWith } from './teachers.js';
import { byId, courseAddress, date, h, linkButton, skeleton } from './ui.js';

const PAGE = 24;
const OPEN = ['pending', 'requires_action'];

const started = byId('started');
const opened = byId('opened');
const bought = byId('library-list');

let list;

/** Shows the library. */
export function library() {
  return [courses(), memberships()];
}

/** Reloads the courses included in memberships. */
export function refreshLibrary() {
  list?.reload();
  return memberships();
}

const onward = (text) => h('p', { class: 'card-foot' }, text);

function courses() {
  /** Every course once, however often it was bought. */
  let seen;
  let unpaid;
  list = pagedList({
    root: bought,
    name: 'courses',
    load: async (cursor) => {
      if (cursor === null) [seen, unpaid] = [new Set(), []];
      const answer = await api.get('/purchases', { query: { limit: PAGE, cursor }, cache: 'no-store' });
      unpaid.push(...answer.items.filter(({ status }) => OPEN.includes(status)));
      const items = answer.items.filter((one) => ownsCourse(one.status) && !seen.has(one.course_id) && seen.add(one.course_id));
      return { ...answer, items };
    },
    frame: () => ({ root: h('ul', { class: 'cards' }) }),
    row: (purchase) => courseCard({ seed: purchase.course_slug, href: courseAddress(purchase.course_id), title: purchase.course_title }, onward('Continue')),
    waiting: () => cardSkeletons(3, () => skeleton(2)),
    empty: () =>
      h('div', { class: 'empty' }, h('p', {}, 'Courses that you buy appear here.'), linkButton('Browse courses', '/', { class: 'button button-main' })),
    changed: () => showUnpaid(unpaid.filter(({ course_id: id }) => !seen.has(id))),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
  return list.ready;
}

/** Purchases that are waiting for the buyer. */
function showUnpaid(unpaid) {
  started.hidden = unpaid.length === 0;
  byId('started-list').replaceChildren(
    ...unpaid.map((purchase) =>
      h(
        'li',
        {},
        h('a', { href: purchasePage(purchase.id), dir: 'auto' }, purchase.course_title),
        h('span', { class: 'muted' }, 'started ', date(purchase.created_at)),
        statusLabel(purchase),
      ),
    ),
  );
}

/** Whether a subscription should give access to its seller's courses. The API decides. */
const opens = ({ status, paid_until: until }) => ['active', 'past_due'].includes(status) || (status === 'canceled' && Date.parse(until) > Date.now());

async function memberships() {
  try {
    const { items } = await api.get('/subscriptions', { query: { limit: 20 }, cache: 'no-store' });
    const current = items.filter(opens);
    document.body.classList.toggle('is-member', current.length > 0);
    opened.hidden = current.length === 0;
    if (current.length === 0) {
      opened.replaceChildren();
      return;
    }
    const groups = current.map(async (one) => {
      const courses = await coursesBy(one.seller_id);
      return group(one, courses, await teacherWith(courses[0]));
    });
    opened.replaceChildren(...(await Promise.all(groups)).flat());
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return;
    }
    opened.hidden = false;
    opened.replaceChildren(h('div', { role: 'alert' }, problem('We couldn’t load the courses in your memberships.', error, { retry: memberships })));
  }
}

function group(subscription, courses, teacher) {
  const head = h('h3', { class: 'group-title' }, h('bdi', {}, subscription.title), teacher && [' by ', teacherLink(teacher)], ' ', subscriptionLabel(subscription));
  if (courses.length === 0) return [head, h('p', {}, 'This teacher has no published courses at the moment. New ones appear here.')];
  const card = (course) => courseCard({ seed: course.slug, href: courseAddress(course.id), title: course.title }, onward('Open'));
  return [head, h('ul', { class: 'cards' }, courses.map(card))];
}

/** A seller's page for everybody. The server has rendered all of it; this adds what needs a browser. */

import { membershipForm } from '../course-membership.js';
import { cover } from '../cover.js';
import { session, showNavigation } from '../session.js';
import { byId, h, linkButton, say } from '../ui.js';

const root = byId('seller');
const outcome = byId('outcome');

showNavigation();
if (root.childElementCount === 0) root.append(elsewhere());
for (const box of root.querySelectorAll('.card-cover')) box.append(cover(box.dataset.seed));
byMembership(byId('membership-offer'));

/** Without an address of a seller, there is nothing to show. */
function elsewhere() {
  return h('div', { class: 'empty' }, h('h1', {}, 'We couldn’t find this teacher.'), h('div', { class: 'actions actions-center' }, linkButton('Browse courses', '/', { class: 'button button-main' })));
}

/** Turns what is said of the membership into a form that joins it, except for its own seller. */
async function byMembership(place) {
  if (!place) return;
  const { seller, course, title } = place.dataset;
  const user = await session().catch(() => undefined);
  if (user === undefined || user?.id === seller) return;
  const form = await membershipForm({ id: course, title, seller: { id: seller } }, user, (box) => {
    say(outcome, box);
    outcome.scrollIntoView({ block: 'nearest' });
  });
  if (!form) return;
  form.classList.add('teacher-membership');
  place.replaceWith(form);
}

/** Shares of other teachers’ courses: what is offered to the user, what they have, and what it has earned. */

import { api, part } from './api.js';
import { pagedList } from './list.js';
import { format } from './money.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { statusLabel } from './status.js';
import { busy, button, byId, confirmed, courseAddress, date, h, notice, say, table } from './ui.js';

const section = byId('shares');
const outcome = byId('share-outcome');

let list;

/** Shows the shares; nothing if there have never been any. */
export function shares() {
  list = pagedList({
    root: byId('share-list'),
    name: 'shares',
    load: (cursor) => api.get('/users/me/shares', { query: { limit: 20, cursor }, cache: 'no-store' }),
    frame: () => ({ root: h('div', {}) }),
    row: card,
    empty: () => '',
    changed(items) {
      if (items.length > 0) section.hidden = false;
    },
    failed: (error) => {
      section.hidden = false;
      return error.status === 401 && (goToLogin(), true);
    },
    news: outcome,
  });
  return list.ready;
}

function card(share) {
  const { course_id: course, course_title: title, share: own, offered } = share;
  const act = (text, work, main) => {
    const control = button(text, () => busy(control, () => work(share)), { class: main ? 'button button-main' : 'button', 'aria-label': `${text}: ${title}`, 'data-focus': `${text} ${course}` });
    return control;
  };
  return h(
    'div',
    { class: 'card fold' },
    h('h4', {}, h('a', { href: courseAddress(course), dir: 'auto' }, title)),
    h('p', {}, standing(own, offered)),
    h(
      'div',
      { class: 'actions' },
      offered && act(`Accept ${offered}%`, accept, true),
      own > 0 ? act('Give up your share', leave) : offered && act('Decline', leave),
    ),
    earnings(course, title),
  );
}

const OF = 'of what is left of each sale after the platform’s fee';

function standing(own, offered) {
  if (offered && own > 0) return `You get ${own}% ${OF}. The course’s teacher offers you ${offered}% instead, from the next sale after everybody has accepted.`;
  if (offered) return `The course’s teacher offers you ${offered}% ${OF}, from the next sale after everybody has accepted.`;
  if (own > 0) return `You get ${own}% ${OF}.`;
  return 'You have no share of new sales: others haven’t accepted theirs yet, or it has ended.';
}

const accept = ({ course_id: course, course_title: title, offered }) =>
  change(
    () => api.put(`/courses/${part(course)}/share`, { share: offered }),
    'You haven’t accepted the share.',
    ({ share }) => (share === offered ? `You get ${offered}% of “${title}” from the next sale on.` : `You’ve accepted ${offered}% of “${title}”. It counts once everybody else has accepted, too.`),
  );

async function leave({ course_id: course, course_title: title, share: own, offered }) {
  const sure = await confirmed(
    own > 0
      ? {
          title: `Give up your share of “${title}”?`,
          text: `From the next sale on, it goes to the course’s teacher.${offered ? ' The new offer is declined, too.' : ''} What you’ve earned so far stays yours.`,
          yes: 'Give up',
        }
      : { title: `Decline the share of “${title}”?`, text: 'Nothing changes for sales so far. The teacher can offer you a share again.', yes: 'Decline' },
  );
  if (!sure) return;
  await change(() => api.delete(`/courses/${part(course)}/share`), 'Nothing was changed.', () => (own > 0 ? `You no longer share in new sales of “${title}”.` : `You’ve declined the share of “${title}”.`));
}

async function change(request, failure, done) {
  say(outcome, null);
  let news;
  try {
    const answer = await withPassword(request);
    news = notice('good', done(answer));
  } catch (error) {
    if (error.code === 'not_signed_in') {
      goToLogin();
      return;
    }
    news = problem(failure, error, error.code === 'conflict' ? { text: 'The teacher has just changed the offer. Look at it again.' } : {});
  }
  say(outcome, news);
  await list.reload();
}

/** What each sale has brought the user, loaded when it is unfolded. */
function earnings(course, title) {
  const root = h('div', {});
  const columns = [{ title: 'Date' }, { title: 'Status' }, { title: 'Price', number: true }, { title: 'Your part', number: true }];
  let rows;
  const load = () =>
    pagedList({
      root,
      name: 'earnings',
      load: (cursor) => api.get(`/courses/${part(course)}/share`, { query: { limit: 20, cursor }, cache: 'no-store' }),
      frame: () => {
        rows = table(`Earnings: ${title}`, columns);
        return rows;
      },
      row: (sale) => rows.row([sale.paid_at ? date(sale.paid_at) : '–', statusLabel(sale), format(sale.amount, sale.currency), gained(sale)]),
      empty: () => h('p', { class: 'muted' }, 'No earnings yet.'),
      failed: (error) => error.status === 401 && (goToLogin(), true),
    });
  return h('details', { ontoggle: (event) => event.target.open && root.childElementCount === 0 && load() }, h('summary', {}, 'Earnings'), root);
}

/** What was transferred and not taken back, and what is still to come. */
function gained({ transferred, taken_back: returned, waiting, currency }) {
  return h('div', { class: 'stamp' }, format(transferred - returned, currency), waiting > 0 && h('span', { class: 'sum muted small' }, `waiting for ${format(waiting, currency)}`));
}

import { api } from '../api.js';
import { pagedList } from '../list.js';
import { parts } from '../parts.js';
import { problem } from '../problems.js';
import { roleLabels, sellerButton, userAddress } from '../roles.js';
import { goToLogin, requiredSession, showNavigation } from '../session.js';
import { applications } from '../staff-applications.js';
import { audit } from '../staff-audit.js';
import { disputes } from '../staff-disputes.js';
import { findings } from '../staff-findings.js';
import { byId, date, h, linkButton, notice, say, table } from '../ui.js';

const outcome = byId('outcome');
const COLUMNS = [{ title: 'Email' }, { title: 'Roles' }, { title: 'Stripe' }, { title: 'Since' }, { title: 'Actions' }];

showNavigation();
start();

async function start() {
  try {
    const user = await requiredSession();
    if (!user.is_staff) {
      say(outcome, notice('plain', 'This desk is for staff.', `You’re logged in as ${user.email}.`, [linkButton('Browse courses', '/')]));
      return;
    }
    byId('desk').hidden = false;
    parts(byId('parts'), { findings, disputes, applications, users, audit });
  } catch (error) {
    say(outcome, problem('We couldn’t check who is logged in.', error, { retry: () => window.location.reload() }));
  }
}

function users() {
  const form = byId('search');
  const field = byId('q');
  let words = '';
  let rows;

  const list = pagedList({
    root: byId('user-list'),
    name: 'users',
    load: (cursor) => api.get('/admin/users', { query: { q: words, limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Users', COLUMNS);
      return rows;
    },
    row: line,
    empty: () => h('div', { class: 'empty' }, h('p', {}, words ? `No email address contains “${words}”. Try a shorter part of it.` : 'There are no users yet.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    words = field.value.trim();
    list.restart();
  });

  return list.ready;

  function line(user) {
    const change = sellerButton(user, {
      outcome,
      small: true,
      changed: (now) => {
        const fresh = line(now);
        row.replaceWith(fresh);
        fresh.querySelector('button').focus();
      },
    });
    const row = rows.row([
      h('a', { class: 'breakable', href: userAddress(user.id) }, user.email),
      h('div', {}, roleLabels(user)),
      user.stripe.connected ? 'Connected' : h('span', { class: 'muted' }, 'Not connected'),
      date(user.created_at),
      h('div', { class: 'row-actions' }, change),
    ]);
    return row;
  }
}

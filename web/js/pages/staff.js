import { api, part } from '../api.js';
import { pagedList } from '../list.js';
import { problem } from '../problems.js';
import { goToLogin, requiredSession, showNavigation } from '../session.js';
import { busy, button, byId, confirmed, date, h, linkButton, notice, say, table } from '../ui.js';

const outcome = byId('outcome');
const COLUMNS = [{ title: 'E-mail' }, { title: 'Roles' }, { title: 'Stripe' }, { title: 'Since' }, { title: 'Actions' }];

showNavigation();
start();

async function start() {
  try {
    const user = await requiredSession();
    if (user.is_staff) users();
    else say(outcome, notice('plain', 'This desk is for the staff.', `You are logged in as ${user.email}.`, [linkButton('All courses', '/')]));
  } catch (error) {
    say(outcome, problem('We could not find out who you are.', error, { retry: () => window.location.reload() }));
  }
}

function users() {
  const form = byId('search');
  const field = byId('q');
  let words = '';
  let rows;
  byId('desk').hidden = false;

  const list = pagedList({
    root: byId('user-list'),
    name: 'users',
    load: (cursor) => api.get('/admin/users', { query: { q: words, limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Users', COLUMNS);
      return rows;
    },
    row: line,
    empty: () => h('div', { class: 'empty' }, h('p', {}, words ? `No e-mail contains “${words}”. Try a shorter part of it.` : 'There are no users yet.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    words = field.value.trim();
    list.reload();
  });

  function line(user) {
    const change = button(user.is_seller ? 'Unmake seller' : 'Make seller', async () => (await sure()) && busy(change, setSeller), {
      class: 'button button-small',
      'aria-label': `${user.is_seller ? 'Unmake seller' : 'Make seller'}: ${user.email}`,
    });
    const roles = [user.is_staff && 'Staff', user.is_seller && 'Seller', 'Buyer'].filter(Boolean);
    const row = rows.row([
      h('span', { class: 'breakable' }, user.email),
      h('div', {}, roles.map((role) => h('span', { class: `label ${role === 'Seller' ? 'label-good' : 'label-plain'}` }, role))),
      user.stripe.connected ? 'Connected' : h('span', { class: 'muted' }, 'Not connected'),
      date(user.created_at),
      change,
    ]);

    async function sure() {
      if (!user.is_seller) return true;
      return confirmed({
        title: 'Unmake this seller?',
        text: `The courses of ${user.email} can no longer be bought. Nothing of theirs is deleted, and you can make them a seller again.`,
        yes: 'Unmake seller',
      });
    }

    async function setSeller() {
      say(outcome, null);
      try {
        const changed = await api.patch(`/admin/users/${part(user.id)}`, { is_seller: !user.is_seller });
        const fresh = line(changed);
        row.replaceWith(fresh);
        fresh.querySelector('button').focus();
        say(outcome, notice('good', `${changed.email} is ${changed.is_seller ? 'now a seller' : 'no longer a seller'}.`));
      } catch (error) {
        if (error.status === 401) goToLogin();
        else say(outcome, problem(`${user.email} was not changed.`, error));
      }
    }

    return row;
  }
}

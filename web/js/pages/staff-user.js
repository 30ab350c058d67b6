import { api, part } from '../api.js';
import { pagedList } from '../list.js';
import { format } from '../money.js';
import { together } from '../parts.js';
import { problem } from '../problems.js';
import { refundButton } from '../refund.js';
import { clearPageButton, roleLabels, sellerButton } from '../roles.js';
import { THEIRS, sales, stamp } from '../sales.js';
import { goToLogin, requiredSession, showNavigation } from '../session.js';
import { terms } from '../staff-terms.js';
import { statusLabel } from '../status.js';
import { byId, courseAddress, date, h, linkButton, notice, say, setTitle, skeleton, table } from '../ui.js';

const id = new URLSearchParams(window.location.search).get('id') ?? '';
const address = `/admin/users/${part(id)}`;
const outcome = byId('outcome');
const who = byId('who');
const PURCHASES = [
  { title: 'Course' },
  { title: 'Date' },
  { title: 'Status' },
  { title: 'Price', number: true },
  { title: 'Platform fee', number: true },
  { title: 'Refunded', number: true },
  { title: 'Actions' },
];

showNavigation();
start();

async function start() {
  try {
    const staff = await requiredSession();
    if (!staff.is_staff) {
      say(outcome, notice('plain', 'This desk is for staff.', `You’re logged in as ${staff.email}.`, [linkButton('Browse courses', '/')]));
      return;
    }
    if (!id) {
      say(outcome, notice('plain', 'No user selected.', 'Choose one in the staff desk.', [linkButton('Staff desk', '/staff.html#users')]));
      return;
    }
    byId('desk').hidden = false;
    await together(byId('desk'), [user(), ...money()]);
  } catch (error) {
    say(outcome, problem('We couldn’t check who is logged in.', error, { retry: () => window.location.reload() }));
  }
}

async function user() {
  who.setAttribute('aria-busy', 'true');
  who.replaceChildren(skeleton(2));
  try {
    await show(await api.get(address, { cache: 'no-store' }));
  } catch (error) {
    if (error.status === 401) goToLogin();
    else if (error.status === 404) who.replaceChildren(notice('plain', 'This user’s account was deleted.', ['Their purchases and sales stay on record under the id ', h('code', { class: 'breakable' }, id), '.']));
    else who.replaceChildren(h('div', { role: 'alert' }, problem('We couldn’t load this user.', error, { retry: user })));
  } finally {
    who.removeAttribute('aria-busy');
  }
}

function show(user) {
  byId('name').textContent = user.email;
  setTitle(user.email);
  const { stripe } = user;
  const change = sellerButton(user, {
    outcome,
    changed: (now) => {
      show(now);
      who.querySelector('button').focus();
    },
  });
  who.replaceChildren(
    h(
      'div',
      { class: 'card who' },
      h(
        'div',
        {},
        h('p', { class: 'who-stripe' }, roleLabels(user)),
        h('p', { class: 'muted' }, 'Since ', date(user.created_at), user.email_confirmed ? ', email confirmed' : ', email not confirmed'),
        user.mail_suppressed && h('p', { class: 'muted' }, user.mail_suppressed.reason === 'bounce' ? 'Mail to this address bounces since ' : 'Marked a mail as spam on ', date(user.mail_suppressed.at), '; nothing is sent to it'),
        h('p', { class: 'muted' }, stripe.connected ? ['Stripe account ', h('code', { class: 'breakable' }, stripe.account_id), stripe.charges_enabled ? '' : ', can’t be paid yet'] : 'No Stripe account'),
      ),
      h('div', { class: 'actions' }, change, user.is_seller && clearPageButton(user, outcome)),
    ),
  );
  return terms(user, show);
}

/** The user's purchases and sales. */
function money() {
  let rows;
  const bought = pagedList({
    root: byId('purchase-list'),
    name: 'purchases',
    load: (cursor) => api.get(`${address}/purchases`, { query: { limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Purchases', PURCHASES);
      return rows;
    },
    row: (purchase) => {
      const sum = (amount) => format(amount, purchase.currency);
      return rows.row([
        h('a', { href: courseAddress(purchase.course_id), dir: 'auto' }, purchase.course_title),
        stamp(purchase.created_at, purchase.id),
        statusLabel(purchase),
        sum(purchase.amount),
        sum(purchase.application_fee),
        purchase.refunded ? sum(purchase.refunded) : '–',
        refundButton({ ...purchase, title: purchase.course_title }, { part: THEIRS.inText, done }),
      ]);
    },
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'No purchases yet.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
    news: byId('purchases-outcome'),
  });
  return [bought.ready, sales(`${address}/sales`, THEIRS)];

  async function done(news) {
    say(byId('purchases-outcome'), news);
    await bought.reload();
  }
}

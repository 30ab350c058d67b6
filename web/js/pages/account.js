import { savedCards } from '../account-cards.js';
import { memberships } from '../account-memberships.js';
import { api } from '../api.js';
import { pagedList } from '../list.js';
import { format } from '../money.js';
import { problem } from '../problems.js';
import { goToLogin, logOut, markSignedOut, requiredSession, showNavigation } from '../session.js';
import { statusLabel } from '../status.js';
import { busy, button, byId, confirmed, date, h, linkButton, notice, onSubmit, say, skeleton, table } from '../ui.js';

const who = byId('who');

showNavigation();
who.append(skeleton(2));
start();

async function start() {
  try {
    showUser(await requiredSession());
  } catch (error) {
    who.replaceChildren(problem('We could not load your account.', error, { retry: () => window.location.reload() }));
    byId('purchase-list').removeAttribute('aria-busy');
    byId('membership-list').removeAttribute('aria-busy');
    byId('card-list').removeAttribute('aria-busy');
    return;
  } finally {
    who.removeAttribute('aria-busy');
  }
  purchases();
  memberships();
  savedCards();
  settings();
  deletion();
}

function showUser(user) {
  const roles = ['Buyer', user.is_seller && 'Seller', user.is_staff && 'Staff'].filter(Boolean);
  const leave = button('Log out', () => busy(leave, () => logOut().catch((error) => who.append(problem('You are still logged in.', error)))));
  byId('username').value = user.email;
  confirmation(user);
  who.replaceChildren(
    h(
      'div',
      { class: 'card who' },
      h('div', {}, h('p', { class: 'who-email' }, user.email), h('p', { class: 'muted' }, roles.join(', '), ' since ', date(user.created_at))),
      leave,
    ),
  );
}

/** Asks for the address to be confirmed, for as long as it is not. */
function confirmation(user) {
  const region = byId('confirmation');
  if (user.email_confirmed) {
    say(region, null);
    return;
  }
  const send = button('Send the mail again', () => busy(send, ask));
  say(region, notice('plain', 'Your e-mail address is not confirmed yet.', `A mail with a link went to ${user.email}. Press the link, so that your receipts reach you.`, [send]));

  async function ask() {
    try {
      await api.post('/email-confirmations');
      say(region, notice('good', 'The mail is on its way.', `It goes to ${user.email}, once a minute at most.`));
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(region, problem('The mail was not sent.', error, { actions: [send] }));
    }
  }
}

function purchases() {
  const columns = [{ title: 'Course' }, { title: 'Date' }, { title: 'Status' }, { title: 'Price', number: true }, { title: 'Receipt' }];
  let rows;
  pagedList({
    root: byId('purchase-list'),
    name: 'purchases',
    load: (cursor) => api.get('/purchases', { query: { limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('My purchases', columns);
      return rows;
    },
    row: (purchase) =>
      rows.row([
        h('a', { href: `/purchase.html?id=${encodeURIComponent(purchase.id)}` }, purchase.course_title),
        date(purchase.created_at),
        statusLabel(purchase.status),
        format(purchase.amount, purchase.currency),
        purchase.paid_at ? h('a', { href: `/purchase.html?id=${encodeURIComponent(purchase.id)}`, 'aria-label': `Receipt: ${purchase.course_title}` }, 'Receipt') : '–',
      ]),
    empty: () =>
      h('div', { class: 'empty' }, h('p', {}, 'You have not bought anything yet.'), linkButton('Browse the courses', '/', { class: 'button button-main' })),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
}

function settings() {
  const change = (form, outcome, done) =>
    onSubmit(byId(form), async (values) => {
      const region = byId(outcome);
      say(region, null);
      try {
        const user = await api.patch('/users/me', values);
        showUser(user);
        byId(form).reset();
        byId('username').value = user.email;
        say(region, notice('good', done(user)));
      } catch (error) {
        if (error.code === 'not_signed_in') goToLogin();
        else say(region, wrongPassword(error) ? notice('bad', 'The current password is not right.', 'Nothing was changed. Type it again.') : problem('Nothing was changed.', error));
      }
    });
  change('email-form', 'email-outcome', (user) => `Your e-mail is now ${user.email}.`);
  change('password-form', 'password-outcome', () => 'Your password is changed.');
}

function deletion() {
  const form = byId('delete-form');
  const region = byId('delete-outcome');
  onSubmit(form, async (values) => {
    say(region, null);
    const sure = await confirmed({
      title: 'Delete your account for good?',
      text: 'It cannot be brought back, and neither can the courses in it.',
      yes: 'Delete for good',
    });
    if (!sure) return;
    try {
      await api.delete('/users/me', { body: values });
      markSignedOut();
      window.location.assign('/?account=deleted');
      await new Promise(() => {});
    } catch (error) {
      if (error.code === 'not_signed_in') goToLogin();
      else say(region, wrongPassword(error) ? notice('bad', 'The current password is not right.', 'Nothing was deleted. Type it again.') : problem('Your account was not deleted.', error));
    }
  });
}

const wrongPassword = (error) => error.code === 'bad_credentials';

import { application } from '../account-application.js';
import { savedCards, takeCardVisit } from '../account-cards.js';
import { dataExport } from '../account-export.js';
import { takeVisit, welcomeMember } from '../account-joined.js';
import { library, refreshLibrary } from '../account-library.js';
import { memberships } from '../account-memberships.js';
import { secondFactor } from '../account-second-factor.js';
import { shares } from '../account-shares.js';
import { api } from '../api.js';
import { withCode } from '../code.js';
import { purchasePage } from '../checkout.js';
import { pagedList } from '../list.js';
import { format } from '../money.js';
import { parts } from '../parts.js';
import { withPassword } from '../password.js';
import { problem } from '../problems.js';
import { goToLogin, logOut, markSignedOut, requiredSession, showNavigation } from '../session.js';
import { statusLabel } from '../status.js';
import { platform } from '../stripe-js.js';
import { askForTerms } from '../terms.js';
import { busy, button, byId, confirmed, date, h, linkButton, notice, onSubmit, say, table } from '../ui.js';

const who = byId('who');
const visit = takeVisit();
takeCardVisit();

showNavigation();
start();

async function start() {
  let user;
  try {
    user = await requiredSession();
    showUser(user);
    secondFactor(user);
    // Without the settings, buying asks for it.
    platform().then((settings) => askForTerms(byId('terms'), user, settings.terms_of_use), () => {});
  } catch (error) {
    byId('trouble').replaceChildren(h('div', { role: 'alert' }, problem('We couldn’t load your account.', error, { retry: () => window.location.reload() })));
    return;
  } finally {
    who.removeAttribute('aria-busy');
  }
  parts(byId('parts'), { library, billing: () => [memberships(), savedCards(), purchases(), (user.is_seller || user.stripe.connected) && shares()], settings: () => application(user) });
  welcomeMember(visit, refreshLibrary);
  settings();
  dataExport();
  deletion();
}

function showUser(user) {
  const roles = [user.is_staff && 'Staff', user.is_seller ? 'Seller' : 'Member'].filter(Boolean);
  const outcome = h('div', { role: 'status' });
  const alone = button('End other sessions', () => busy(alone, () => endOthers(outcome)));
  const leave = button('Log out', () => busy(leave, () => logOut().catch((error) => who.append(problem('You are still logged in.', error)))));
  byId('username').value = user.email;
  confirmation(user);
  who.replaceChildren(
    h(
      'div',
      { class: 'card who' },
      h('div', {}, h('p', { class: 'who-email' }, user.email), h('p', { class: 'muted' }, roles.join(', '), ' since ', date(user.created_at))),
      h('div', { class: 'actions' }, alone, leave),
    ),
    outcome,
  );
}

/** Logs the user out on all other devices. */
async function endOthers(outcome) {
  say(outcome, null);
  try {
    await withPassword(() => api.delete('/sessions'));
    say(outcome, notice('good', 'You’re logged out everywhere else.'));
  } catch (error) {
    if (error.code === 'not_signed_in') goToLogin();
    else say(outcome, problem('Your other sessions weren’t ended.', error));
  }
}

/** Says that mail to the address bounces, or asks the user to confirm it, or the one that will replace it, until they have. */
function confirmation(user) {
  const region = byId('confirmation');
  if (user.mail_suppressed && !user.new_email) {
    const why = user.mail_suppressed.reason === 'bounce' ? `An email to ${user.email} came back` : `An email to ${user.email} was marked as spam`;
    say(region, notice('bad', 'Our emails don’t reach you.', `${why}, so nothing is sent there any more. Enter another address under “Settings”.`));
    return;
  }
  if (user.email_confirmed && !user.new_email) {
    say(region, null);
    return;
  }
  const to = user.new_email ?? user.email;
  const why = user.new_email ? `Follow it to use this address. Until then your email stays ${user.email}.` : 'Follow it so that your receipts reach you.';
  const send = button('Resend email', () => busy(send, ask));
  say(region, notice('plain', 'Please confirm your email address.', `We sent a link to ${to}. ${why}`, [send]));

  async function ask() {
    try {
      await api.post('/email-confirmations');
      say(region, notice('good', 'Email sent.', `Check the inbox of ${to}. You can ask for another one in a minute.`));
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(region, problem('The email wasn’t sent.', error, { actions: [send] }));
    }
  }
}

function purchases() {
  const columns = [{ title: 'Course' }, { title: 'Date' }, { title: 'Status' }, { title: 'Price', number: true }, { title: 'Receipt' }];
  let rows;
  return pagedList({
    root: byId('purchase-list'),
    name: 'purchases',
    load: (cursor) => api.get('/purchases', { query: { limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Purchases', columns);
      return rows;
    },
    row: (purchase) =>
      rows.row([
        h('a', { href: purchasePage(purchase.id), dir: 'auto' }, purchase.course_title),
        date(purchase.created_at),
        statusLabel(purchase),
        format(purchase.amount, purchase.currency),
        purchase.paid_at ? h('a', { href: purchasePage(purchase.id), 'aria-label': `Receipt: ${purchase.course_title}` }, 'Receipt') : '–',
      ]),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'No purchases yet.'), linkButton('Browse courses', '/')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  }).ready;
}

function settings() {
  const change = (form, outcome, done) =>
    onSubmit(byId(form), async (values) => {
      const region = byId(outcome);
      say(region, null);
      try {
        const user = await withCode((code) => api.patch('/users/me', { ...values, code }));
        showUser(user);
        byId(form).reset();
        byId('username').value = user.email;
        say(region, notice('good', done(user)));
      } catch (error) {
        if (error.code === 'not_signed_in') goToLogin();
        else say(region, wrongPassword(error) ? notice('bad', 'That isn’t your current password.', 'Nothing was changed. Please try again.') : problem('Nothing was changed.', error));
      }
    });
  change('email-form', 'email-outcome', (user) => (user.new_email ? `Follow the link that we sent to ${user.new_email}.` : `Your email is now ${user.email}.`));
  change('password-form', 'password-outcome', () => 'Your password has been changed.');
}

function deletion() {
  const form = byId('delete-form');
  const region = byId('delete-outcome');
  onSubmit(form, async (values) => {
    say(region, null);
    const sure = await confirmed({
      title: 'Delete your account for good?',
      text: 'This can’t be undone. You lose access to every course in it.',
      yes: 'Delete for good',
    });
    if (!sure) return;
    try {
      await withCode((code) => api.delete('/users/me', { body: { ...values, code } }));
      markSignedOut();
      window.location.assign('/?account=deleted');
      await new Promise(() => {});
    } catch (error) {
      if (error.code === 'not_signed_in') goToLogin();
      else say(region, wrongPassword(error) ? notice('bad', 'That isn’t your current password.', 'Nothing was deleted. Please try again.') : problem('Your account wasn’t deleted.', error));
    }
  });
}

const wrongPassword = (error) => error.code === 'bad_credentials';

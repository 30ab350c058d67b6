/** A seller's Stripe account: the way to one, what it still lacks, and what it holds. */

import { api } from './api.js';
import { leaveFor } from './checkout.js';
import { format } from './money.js';
import { problem } from './problems.js';
import { disabled, inWords } from './requirements.js';
import { goToLogin } from './session.js';
import { busy, button, byId, confirmed, date, h, linkButton, notice, say, skeleton, table } from './ui.js';

/** Stripe is asked on the way; its slowest answer is worth waiting for. */
const OPTIONS = { timeout: 35_000 };
const ONBOARDING = '/users/me/stripe/onboarding';

const box = byId('stripe');
const outcome = byId('outcome');
const money = byId('money');

/** Shows the account, or the ways to one. */
export async function stripe(user) {
  const cameBack = new URLSearchParams(window.location.search).get('onboarding');
  if (cameBack) window.history.replaceState(null, '', window.location.pathname);
  if (!user.stripe.connected) {
    ways();
    return;
  }
  box.replaceChildren(h('div', { class: 'card' }, skeleton(3)));
  box.setAttribute('aria-busy', 'true');
  try {
    const account = await api.get('/users/me/stripe', { cache: 'no-store', ...OPTIONS });
    if (!account.connected) {
      ways();
      return;
    }
    show(account);
    // The address at Stripe was used or too old: a new one, for whoever is signed in here.
    if (cameBack === 'refresh') await onboard(account.account_type);
    if (cameBack === 'return') tellHowItStands(account);
  } catch (error) {
    if (error.status === 401) goToLogin();
    else box.replaceChildren(h('div', { role: 'alert' }, problem('We could not look at your Stripe account.', error, { retry: () => stripe(user) })));
  } finally {
    box.removeAttribute('aria-busy');
  }
}

/** An account of one's own, or one that is made here. */
function ways() {
  money.replaceChildren();
  const open = button('Set up a new account', () => busy(open, () => onboard('express')));
  const bare = button('Set up one without a dashboard', () => busy(bare, () => onboard('custom')));
  box.replaceChildren(
    h(
      'div',
      { class: 'card' },
      h('h3', {}, 'Connect your Stripe account to get paid'),
      h('p', {}, 'Until then your courses stand in the catalogue, but nobody can buy them. Connect an account that you have at Stripe, or set up a new one: Stripe asks for what it needs on its own pages.'),
      h('p', { class: 'muted' }, 'A new account comes with a dashboard at Stripe. Without one there is no log-in at Stripe: your balance, your payouts and what Stripe needs to know stand here.'),
      h('div', { class: 'actions' }, linkButton('Connect Stripe account', '/api/users/authorize', { class: 'button button-main' }), open, bare),
    ),
  );
}

/** Goes to Stripe's form. Does not come back where that works. */
async function onboard(type) {
  say(outcome, null);
  try {
    const { url } = await api.post(ONBOARDING, { type }, OPTIONS);
    leaveFor(url);
    await new Promise(() => {});
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Stripe’s form could not be opened.', error));
  }
}

async function openDashboard() {
  say(outcome, null);
  try {
    const { url } = await api.post('/users/me/stripe/dashboard', {}, OPTIONS);
    leaveFor(url);
    await new Promise(() => {});
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Your dashboard at Stripe could not be opened.', error));
  }
}

const wanted = ({ requirements }) => inWords([...requirements.past_due, ...requirements.currently_due]);
const isMadeHere = (account) => account.made_by_platform || account.account_type === 'express';

/** @returns {'good'|'warn'|'bad'} */
function standing(account) {
  if (account.scope === 'read_only' || !account.charges_enabled) return account.requirements.disabled_reason?.startsWith('rejected') ? 'bad' : 'warn';
  return 'good';
}

function tellHowItStands(account) {
  const missing = wanted(account);
  if (missing.length > 0) say(outcome, notice('plain', 'Something is still missing.', 'Stripe’s form can be finished whenever you like; what you have filled in is kept.'));
  else if (!account.charges_enabled) say(outcome, notice('plain', 'Thank you. Stripe is checking what you gave it.', 'That takes minutes, sometimes days. This page shows when it is done.'));
  else say(outcome, notice('good', 'Your Stripe account is set up.', 'What you sell is paid to it from now on.'));
}

function show(account) {
  const leave = button('Disconnect', ask);
  const missing = wanted(account);
  const finish = button(missing.length > 0 ? 'Finish at Stripe' : 'Change details at Stripe', () => busy(finish, () => onboard(account.account_type)), {
    class: missing.length > 0 ? 'button button-main' : 'button',
  });
  const dashboard = button('Open your Stripe dashboard', () => busy(dashboard, openDashboard));
  const tone = standing(account);
  const hasForm = isMadeHere(account) && (missing.length > 0 || account.account_type === 'custom');
  box.replaceChildren(
    h(
      'div',
      { class: 'card' },
      h('p', { class: 'who-stripe' }, h('span', { class: `label label-${tone}` }, tone === 'good' ? 'Connected' : 'Connected, cannot be paid yet'), ' ', h('code', { class: 'breakable' }, account.account_id)),
      h('p', { class: 'muted' }, advice(account)),
      missing.length > 0 && isMadeHere(account) && h('div', {}, h('h3', {}, 'Stripe still needs'), deadline(account), h('ul', { class: 'wanted' }, missing.map((line) => h('li', {}, line)))),
      h('div', { class: 'actions' }, hasForm && finish, account.account_type === 'express' && account.details_submitted && dashboard, leave),
    ),
  );
  if (account.details_submitted || !isMadeHere(account)) balance();
  else money.replaceChildren();

  async function ask() {
    const sure = await confirmed({
      title: 'Disconnect your Stripe account?',
      text: 'Your courses cannot be bought until you connect one again. Your sales and what you have earned stay as they are.',
      yes: 'Disconnect',
    });
    if (sure) await busy(leave, disconnect);
  }
}

async function disconnect() {
  say(outcome, null);
  try {
    await api.delete('/users/me/stripe', OPTIONS);
    ways();
    say(outcome, notice('good', 'Your Stripe account is disconnected.'));
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Your Stripe account is still connected.', error));
  }
}

function deadline({ requirements: { current_deadline: at, past_due: late } }) {
  if (late.length > 0) return h('p', { class: 'small' }, 'These are overdue: some things do not work until you give them.');
  return at && h('p', { class: 'small' }, 'By ', date(at), ', so that nothing stops.');
}

function advice(account) {
  if (account.scope === 'read_only') return 'You granted access to look only. Disconnect, then connect again with the right to charge.';
  if (!isMadeHere(account) && !account.charges_enabled) return 'Stripe does not let this account take payments yet. Finish its set-up in your Stripe dashboard.';
  const reason = disabled(account.requirements.disabled_reason);
  if (!account.details_submitted) return 'Your account is opened, but Stripe does not know enough yet to let it take payments.';
  if (reason && !account.charges_enabled) return reason;
  if (account.requirements.pending_verification.length > 0) return 'Stripe is checking what you gave it. You can sell meanwhile where it says “Connected”.';
  if (!account.payouts_enabled && isMadeHere(account)) return 'You can sell. Payouts to your bank begin as soon as Stripe has what it needs.';
  return account.livemode === false ? 'In test mode: no real money moves.' : 'What you sell is paid to this account.';
}

const PAYOUTS = {
  paid: ['good', 'Paid out'],
  pending: ['plain', 'Planned'],
  in_transit: ['plain', 'On its way'],
  canceled: ['plain', 'Canceled'],
  failed: ['bad', 'Sent back by the bank'],
};

/** https://docs.stripe.com/api/payouts/failures */
const FAILURES = {
  account_closed: 'The bank account is closed.',
  account_frozen: 'The bank account is frozen.',
  bank_account_restricted: 'The bank account takes no such payments.',
  incorrect_account_holder_name: 'The bank account is in another name.',
  invalid_account_number: 'The bank knows no account of this number.',
  invalid_currency: 'The bank account does not take this currency.',
  no_account: 'The bank knows no account of this number.',
};

/** How a payout stands, and why it came back. */
function standingOf({ status, failure_code: code }) {
  const [tone, text] = PAYOUTS[status] ?? ['plain', status];
  const why = status === 'failed' && h('div', { class: 'small muted' }, FAILURES[code] ?? 'The bank did not take it.', ' Look over the bank account that Stripe has.');
  return h('div', {}, h('span', { class: `label label-${tone}` }, text), why);
}

/** What the account holds, and what went to the bank. */
async function balance() {
  money.setAttribute('aria-busy', 'true');
  money.replaceChildren(skeleton(2));
  try {
    const { available, pending, payouts } = await api.get('/users/me/stripe/balance', { cache: 'no-store', ...OPTIONS });
    const sums = (list) => (list.length > 0 ? list.map(({ amount, currency }) => h('span', { class: 'sum' }, format(amount, currency))) : '–');
    money.replaceChildren(
      h('h3', {}, 'Balance and payouts'),
      h('dl', { class: 'card figures' }, h('div', { class: 'figure-main' }, h('dt', {}, 'Ready to be paid out'), h('dd', {}, sums(available))), h('div', {}, h('dt', {}, 'On its way to your balance'), h('dd', {}, sums(pending)))),
      payouts.length > 0 ? payoutTable(payouts) : h('p', { class: 'muted' }, 'Nothing was paid out to your bank yet.'),
    );
  } catch (error) {
    if (error.status === 401) goToLogin();
    else money.replaceChildren(h('div', { role: 'alert' }, problem('We could not look at your balance.', error, { retry: balance })));
  } finally {
    money.removeAttribute('aria-busy');
  }
}

function payoutTable(payouts) {
  const rows = table('Payouts', [{ title: 'At the bank' }, { title: 'Status' }, { title: 'Amount', number: true }]);
  rows.body.append(
    ...payouts.map((payout) => rows.row([payout.arrival_date ? date(payout.arrival_date) : '–', standingOf(payout), format(payout.amount, payout.currency)])),
  );
  return rows.root;
}

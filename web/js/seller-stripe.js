/** A seller's Stripe account: how to get one, its requirements, and its balance. */

import { api } from './api.js';
import { leaveFor } from './checkout.js';
import { countryName, offerCountries } from './countries.js';
import { format } from './money.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { inWords, otherKinds, whyDisabled, whyUnpaid } from './requirements.js';
import { goToLogin } from './session.js';
import { bdi, busy, button, byId, confirmed, date, h, notice, say, skeleton, table } from './ui.js';

/** Includes requests to Stripe, which may be slow. */
const OPTIONS = { timeout: 35_000 };
const ONBOARDING = '/users/me/stripe/onboarding';

const box = byId('stripe');
const outcome = byId('outcome');
const money = byId('money');

/** Whether there is an account that may have a balance. */
let holds = false;
/** Whether the balance is shown. */
let onShow = false;
/** Since when and why nothing is paid out, if so. */
let unpaid = false;

/** Told of the account when another is connected, and of `null` when none is. */
let tell = () => {};
let told;

function isConnected(account) {
  const id = account?.account_id ?? null;
  if (id === told) return;
  told = id;
  tell(account);
}

/** An account that needs attention is shown above all sections of the desk, an active one in the settings. */
function place(needsAttention) {
  byId(needsAttention ? 'attention' : 'settings').append(box);
}

/**
 * Shows the account, or how to get one.
 *
 * @param {object} user
 * @param {(account: object|null) => void} [changed] told of the account when another is connected, and of `null` when none is
 */
export async function stripe(user, changed = tell) {
  tell = changed;
  const cameBack = new URLSearchParams(window.location.search).get('onboarding');
  if (cameBack) window.history.replaceState(null, '', `${window.location.pathname}${window.location.hash}`);
  place(!user.stripe.connected || !user.stripe.charges_enabled);
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
    // The URL at Stripe was already used or has expired, so request a new one for the logged-in user.
    if (cameBack === 'refresh') await onboard(account.account_type);
    if (cameBack === 'return') tellHowItStands(account);
  } catch (error) {
    if (error.status === 401) goToLogin();
    else {
      place(true);
      box.replaceChildren(h('div', { role: 'alert' }, problem('We couldn’t load your Stripe account.', error, { retry: () => stripe(user) })));
    }
  } finally {
    box.removeAttribute('aria-busy');
  }
}

/** Set up a new account, or connect an existing one. */
function ways() {
  place(true);
  holds = false;
  isConnected(null);
  money.replaceChildren(h('p', { class: 'muted' }, 'Connect a Stripe account to see your balance and payouts here.'));
  const country = h('select', { id: 'country', name: 'country', required: true, autocomplete: 'country', 'aria-describedby': 'country-hint' });
  const fault = h('div', { role: 'status' });
  const refuse = (title, text) => {
    say(fault, notice('bad', title, text));
    country.focus();
  };
  const setUp = (type) => {
    say(fault, null);
    if (!country.value) return refuse('Choose your country.');
    return onboard(type, country.value, refuse);
  };
  const open = button('Set up a new account', () => busy(open, () => setUp('express')), { class: 'button button-main' });
  const bare = button('Set up without a dashboard', () => busy(bare, () => setUp('custom')));
  box.replaceChildren(
    h(
      'div',
      { class: 'card form' },
      h('div', {}, h('h2', {}, 'Set up Stripe to get paid'), h('p', { class: 'muted' }, 'Until then, nobody can buy your courses.')),
      h(
        'div',
        { class: 'field form-narrow' },
        h('label', { for: 'country' }, 'Country'),
        country,
        h('p', { class: 'hint', id: 'country-hint' }, 'The country where you live, or where your business is registered. You can’t change it later.'),
      ),
      fault,
      h(
        'div',
        {},
        h('div', { class: 'actions' }, open, bare),
        h('p', { class: 'hint' }, 'Without a Stripe dashboard, you manage your balance and details here.'),
      ),
      h('p', {}, 'You already use Stripe? ', h('a', { href: '/api/users/authorize' }, 'Connect your existing account')),
    ),
  );
  offerCountries(country);
}

/**
 * Goes to Stripe's form. Does not return if that works.
 *
 * @param {string} type
 * @param {string} [country] of a new account
 * @param {(title: string, text: string) => void} [refuse] shows what is wrong with the country
 */
async function onboard(type, country, refuse) {
  say(outcome, null);
  try {
    const { url } = await withPassword(() => api.post(ONBOARDING, { type, country }, OPTIONS));
    leaveFor(url);
    await new Promise(() => {});
  } catch (error) {
    if (error.status === 401) goToLogin();
    // Nothing else in the request can be wrong.
    else if (country && error.code === 'invalid_request') refuse(`Stripe can’t set up an account in this country: ${countryName(country)}.`, 'Choose another country, or connect an account that you already have.');
    else say(outcome, problem('Stripe’s form couldn’t be opened.', error));
  }
}

async function openDashboard() {
  say(outcome, null);
  try {
    const { url } = await withPassword(() => api.post('/users/me/stripe/dashboard', {}, OPTIONS));
    leaveFor(url);
    await new Promise(() => {});
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Your Stripe dashboard couldn’t be opened.', error));
  }
}

const wanted = ({ requirements }) => inWords(requirements);
const isMadeHere = (account) => account.made_by_platform || account.account_type === 'express';

/** @returns {'good'|'warn'|'bad'} */
function standing(account) {
  if (!account.sells) return account.requirements.disabled_reason?.startsWith('rejected') ? 'bad' : 'warn';
  return 'good';
}

function tellHowItStands(account) {
  const missing = wanted(account);
  if (missing.length > 0) say(outcome, notice('plain', 'Something is still missing.', 'You can finish Stripe’s form whenever you like. What you’ve entered is saved.'));
  else if (!account.sells) say(outcome, notice('plain', 'Thank you. Stripe is checking your details.', 'This takes minutes, sometimes days. This page shows when it’s done.'));
  else say(outcome, notice('good', 'Your Stripe account is set up.', 'Your sales are paid to it from now on.'));
}

function show(account) {
  const leave = button('Disconnect', ask);
  const missing = wanted(account);
  const finish = button(missing.length > 0 ? 'Finish at Stripe' : 'Change details at Stripe', () => busy(finish, () => onboard(account.account_type)), {
    class: missing.length > 0 ? 'button button-main' : 'button',
  });
  const dashboard = button('Open your Stripe dashboard', () => busy(dashboard, openDashboard));
  const tone = standing(account);
  place(tone !== 'good' || missing.length > 0);
  const hasForm = isMadeHere(account) && (missing.length > 0 || account.account_type === 'custom');
  box.replaceChildren(
    h(
      'div',
      { class: 'card' },
      h('h2', {}, 'Stripe account'),
      h('p', { class: 'who-stripe' }, h('span', { class: `label label-${tone}` }, tone === 'good' ? 'Connected' : 'Connected, can’t be paid yet'), ' ', h('code', { class: 'breakable' }, account.account_id)),
      h('p', { class: 'muted' }, advice(account)),
      isMadeHere(account) && lists(account, missing),
      h('div', { class: 'actions' }, hasForm && finish, account.account_type === 'express' && account.details_submitted && dashboard, leave),
    ),
  );
  holds = account.details_submitted || !isMadeHere(account);
  const since = account.payouts_disabled_since;
  unpaid = account.details_submitted && !account.payouts_enabled && [since && ['Since ', date(since), '. '], whyUnpaid(account, isMadeHere(account))];
  isConnected(account);
  if (onShow) {
    money.replaceChildren();
    balance();
  }

  async function ask() {
    const sure = await confirmed({
      title: 'Disconnect your Stripe account?',
      text: 'Nobody can buy your courses until you connect an account again. Your past sales and earnings aren’t affected. Your memberships end: members keep access for the period they’ve paid for and are told by email.',
      yes: 'Disconnect',
    });
    if (sure) await busy(leave, disconnect);
  }
}

async function disconnect() {
  say(outcome, null);
  try {
    await withPassword(() => api.delete('/users/me/stripe', OPTIONS));
    ways();
    say(outcome, notice('good', 'Your Stripe account has been disconnected.'));
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Your Stripe account is still connected.', error));
  }
}

/** What the owner must provide now, what Stripe is checking, what will be needed from a known time on, and in one line what may be needed one day. */
function lists({ requirements, future_requirements: future, ...account }, missing) {
  const list = (title, text, items) => items.length > 0 && h('div', {}, h('h3', {}, title), text && h('p', { class: 'small' }, text), h('ul', { class: 'wanted' }, items.map((item) => h('li', {}, item))));
  const notAll = missing.some((line) => !line.late);
  const needed = missing.map(({ text, since, late, wrong }) => [text, since && [', since ', date(since)], late && notAll && ' (overdue)', wrong.map((reason) => h('div', { class: 'small' }, 'What was wrong: ', bdi(reason)))]);
  const from = future.current_deadline;
  const later = otherKinds(future.currently_due, requirements.missing);
  const checking = otherKinds(requirements.pending_verification, requirements.missing);
  const listed = [...missing.map(({ text }) => text), ...checking, ...later];
  const someday = otherKinds(requirements.eventually_due, requirements.missing).filter((kind) => !listed.includes(kind));
  return [
    list('Stripe still needs', deadline(account, requirements, missing), needed),
    list('Stripe is checking', 'There’s nothing for you to do here.', checking),
    list('Needed later', from ? ['From ', date(from), ', Stripe will need these as well.'] : 'Stripe will need these as well.', later),
    someday.length > 0 && h('p', { class: 'small muted' }, 'Stripe may ask for more later: ', someday.join('; '), '. There’s no hurry.'),
  ];
}

/** What is stopped by what is overdue, and by when the rest is needed. */
function deadline(account, { current_deadline: at }, missing) {
  const stopped = [!account.sells && 'nobody can buy from you', !account.payouts_enabled && 'you’re paid nothing out'].filter(Boolean);
  const late = missing.some((line) => line.late) && (stopped.length > 0 ? `Until you provide what is overdue, ${stopped.join(', and ')}.` : 'Some features don’t work until you provide what is overdue.');
  const rest = at && missing.some((line) => !line.late) && [late ? ' Please provide the rest by ' : 'Please provide these by ', date(at), '.'];
  return (late || rest) && [late, rest];
}

const LACKING = {
  card_payments: 'Stripe doesn’t let this account take card payments at the moment.',
  transfers: 'Stripe doesn’t let this account receive transfers at the moment, and your sales are paid with them.',
};

/** What its owner can do so that it sells again. */
function todo({ capabilities, lacks, requirements: { missing, pending_verification: checking }, ...account }) {
  if (missing.length > 0) return isMadeHere(account) ? 'Finish Stripe’s form below.' : 'Provide what is missing in your Stripe dashboard.';
  if (checking.length > 0 || capabilities[lacks] === 'pending') return 'Stripe is checking your details.';
  if (capabilities[lacks] === 'unrequested') return 'The account hasn’t asked Stripe for that. Ask the staff how you can be paid.';
  return 'Contact Stripe’s support.';
}

/** What the account can do, since when it cannot do the rest, and why. */
function advice(account) {
  const [unsold, unpaidSince] = [account.charges_disabled_since, account.payouts_disabled_since].map((at) => at && [' since ', date(at)]);
  if (account.scope === 'read_only') return 'You granted read-only access. Disconnect, then connect again with permission to take payments.';
  if (!account.sells && !account.charges_enabled && !isMadeHere(account)) return 'This account can’t take payments yet. Finish setting it up in your Stripe dashboard.';
  const reason = whyDisabled(account.requirements.disabled_reason);
  if (!account.details_submitted) return 'Your account is open, but Stripe needs more details before it can take payments.';
  if (reason && !account.sells) return [unsold ? ['Nobody has been able to buy from you', unsold] : 'Nobody can buy from you', account.payouts_enabled ? '. ' : ', and payouts are paused. ', reason];
  if (!account.sells) return `Nobody can buy from you. ${LACKING[account.lacks] ?? 'Stripe doesn’t let this account take payments at the moment.'} ${todo(account)}`;
  if (!account.payouts_enabled) return [unpaidSince ? ['You can sell, but payouts have been paused', unpaidSince] : 'You can sell, but payouts are paused', '. ', whyUnpaid(account, isMadeHere(account))];
  if (account.requirements.pending_verification.length > 0) return 'Stripe is checking your details. You can keep selling in the meantime.';
  return account.livemode === false ? 'Test mode: no real money moves.' : 'Your sales are paid to this account.';
}

const PAYOUTS = {
  paid: ['good', 'Paid out'],
  pending: ['plain', 'Scheduled'],
  in_transit: ['plain', 'On its way'],
  canceled: ['plain', 'Canceled'],
  failed: ['bad', 'Returned by the bank'],
};

/** https://docs.stripe.com/api/payouts/failures */
const FAILURES = {
  account_closed: 'The bank account is closed.',
  account_frozen: 'The bank account is frozen.',
  bank_account_restricted: 'The bank account doesn’t accept these payments.',
  incorrect_account_holder_name: 'The name on the bank account doesn’t match.',
  invalid_account_number: 'The account number isn’t known to the bank.',
  invalid_currency: 'The bank account doesn’t accept this currency.',
  no_account: 'The account number isn’t known to the bank.',
};

/** A payout's status, and why it was returned. */
function standingOf({ status, failure_code: code }) {
  const [tone, text] = PAYOUTS[status] ?? ['plain', status];
  const why = status === 'failed' && h('div', { class: 'small muted' }, FAILURES[code] ?? 'The bank didn’t accept it.', ' Check your bank details at Stripe.');
  return h('div', {}, h('span', { class: `label label-${tone}` }, text), why);
}

/** Reloads the balance after something has moved it, if it is shown. */
export function refreshBalance() {
  if (onShow) balance();
}

/** The account's balance and payouts. */
export async function balance() {
  onShow = true;
  if (!holds) {
    if (money.childElementCount === 0) money.replaceChildren(h('p', { class: 'muted' }, 'Your balance and payouts appear here once your Stripe account is set up.'));
    return;
  }
  money.setAttribute('aria-busy', 'true');
  if (money.childElementCount === 0) money.replaceChildren(skeleton(4));
  try {
    const { available, pending, payouts } = await api.get('/users/me/stripe/balance', { cache: 'no-store', ...OPTIONS });
    const sums = (list) => (list.length > 0 ? list.map(({ amount, currency }) => h('span', { class: 'sum' }, format(amount, currency))) : '–');
    money.replaceChildren(
      unpaid ? notice('plain', 'Payouts are paused.', unpaid) : '',
      h('dl', { class: 'card figures' }, h('div', { class: 'figure-main' }, h('dt', {}, 'Available for payout'), h('dd', {}, sums(available))), h('div', {}, h('dt', {}, 'Pending'), h('dd', {}, sums(pending)))),
      payouts.length > 0 ? payoutTable(payouts) : h('p', { class: 'muted' }, 'No payouts yet.'),
    );
  } catch (error) {
    if (error.status === 401) goToLogin();
    else money.replaceChildren(h('div', { role: 'alert' }, problem('We couldn’t load your balance.', error, { retry: balance })));
  } finally {
    money.removeAttribute('aria-busy');
  }
}

function payoutTable(payouts) {
  const rows = table('Payouts', [{ title: 'Arrives' }, { title: 'Status' }, { title: 'Amount', number: true }]);
  rows.body.append(
    ...payouts.map((payout) => rows.row([payout.arrival_date ? date(payout.arrival_date) : '–', standingOf(payout), format(payout.amount, payout.currency)])),
  );
  return rows.root;
}

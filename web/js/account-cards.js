/** The buyer's saved cards: the list and its actions. */

import { api, part } from './api.js';
import { cardName, expiry, hasExpired } from './cards.js';
import { leaveFor } from './checkout.js';
import { pagedList } from './list.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, byId, confirmed, h, notice, say, table } from './ui.js';

const COLUMNS = [{ title: 'Card' }, { title: 'Expires' }, { title: 'Use' }, { title: 'Actions' }];
/** Includes a request to Stripe, which may be slow. */
const TIMEOUT_MS = 35_000;
/** The cards that existed when the browser left for Stripe's page. */
const BEFORE = 'cards-before';

const section = byId('cards');
const outcome = byId('card-outcome');

let list;
let shown = [];
/** The part of the URL that marks a visit to Stripe's page, until the list has shown its result. */
let visit = null;

/** Shows the list and connects its buttons. */
export function savedCards() {
  let rows;
  list = pagedList({
    root: byId('card-list'),
    name: 'saved cards',
    load: (cursor) => api.get('/users/me/payment-methods', { query: { limit: 20, cursor }, cache: 'no-store', timeout: TIMEOUT_MS }),
    frame: () => {
      rows = table('Saved cards', COLUMNS);
      return rows;
    },
    row: (card) => rows.row(cells(card)),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'No saved cards yet. With a saved card you pay in one step.')),
    changed: (cards) => {
      shown = cards;
      welcomeBack();
    },
    failed: (error) => error.status === 401 && (goToLogin(), true),
    news: outcome,
  });
  offerToAdd();
  // The browser may restore this page as it was before Stripe's page.
  window.addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    offerToAdd();
    list.reload();
  });
  return list.ready;
}

function cells(card) {
  const name = cardName(card);
  const act = (text, work) => {
    const control = button(text, () => busy(control, work), { class: 'button button-small', 'aria-label': `${text}: ${name}`, 'data-focus': `${text} ${card.id}` });
    return control;
  };
  return [
    name,
    hasExpired(card) ? h('span', {}, expiry(card), ' ', h('span', { class: 'label label-warn' }, 'Expired')) : expiry(card),
    card.is_default ? h('span', { class: 'label label-good' }, 'Default') : '–',
    h('div', { class: 'row-actions' }, !card.is_default && act('Make default', () => makeDefault(card)), act('Remove', () => remove(card))),
  ];
}

/** Redraws the button, because one that has sent the browser away stays disabled. */
function offerToAdd() {
  const control = button('Add a card', () => busy(control, add), { id: 'add-card', 'aria-describedby': 'card-hint' });
  byId('add-card').replaceWith(control);
}

async function add() {
  say(outcome, null);
  try {
    const { checkout_url: url } = await api.post('/users/me/payment-methods', {}, { timeout: TIMEOUT_MS });
    window.sessionStorage.setItem(BEFORE, JSON.stringify(shown.map(({ id }) => id)));
    leaveFor(url);
    await new Promise(() => {});
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Stripe’s page couldn’t be opened.', error, error.isOutage ? { text: 'Nothing was saved, and it’s safe to try again.' } : {}));
  }
}

/** Removes the marker from the URL, so that a reload is not a new visit, and shows the cards' section. */
export function takeCardVisit() {
  visit = new URLSearchParams(window.location.search).get('card');
  if (visit) window.history.replaceState(null, '', `${window.location.pathname}#cards`);
}

/** Shows the result of the visit to Stripe's page. The list shows whether a card was saved; the URL proves nothing. */
function welcomeBack() {
  const ended = visit;
  visit = null;
  if (ended === 'canceled') say(outcome, notice('plain', 'You left Stripe’s page.', 'No card was saved.'));
  if (ended !== 'saved') return;
  const before = JSON.parse(window.sessionStorage.getItem(BEFORE) ?? 'null');
  window.sessionStorage.removeItem(BEFORE);
  const added = before && shown.find(({ id }) => !before.includes(id));
  const again = button('Check again', () => {
    say(outcome, null);
    list.reload();
  });
  if (added) say(outcome, notice('good', `Your ${cardName(added)} is saved.`));
  else say(outcome, notice('plain', 'Welcome back from Stripe.', 'Your saved cards are listed below.', [again]));
  section.scrollIntoView({ block: 'nearest' });
}

async function makeDefault(card) {
  const name = cardName(card);
  const done = await change('Your default card wasn’t changed.', `${name} is your default card.`, () => api.patch(`/users/me/payment-methods/${part(card.id)}`, { is_default: true }, { timeout: TIMEOUT_MS }));
  if (done) await offerForMemberships(card, name);
}

/** Memberships keep the card that they started with, unless the member changes it. */
async function offerForMemberships(card, name) {
  const { items } = await api.get('/subscriptions', { query: { limit: 100 }, cache: 'no-store' }).catch(() => ({ items: [] }));
  const running = items.filter(({ status, cancel_at_period_end: ends }) => ['active', 'past_due'].includes(status) && !ends);
  if (running.length === 0) return;
  const sure = await confirmed({
    title: `Use the ${name} for your memberships too?`,
    text: `It will be charged for ${running.map(({ title }) => `“${title}”`).join(', ')} from the next renewal. Anything overdue is charged now.`,
    yes: 'Use for memberships',
    isHarmless: true,
    no: 'Keep the current card',
  });
  if (!sure) return;
  const failed = [];
  for (const one of running) {
    await api.post(`/subscriptions/${part(one.id)}/resume`, { payment_method: card.id }, { timeout: TIMEOUT_MS }).catch(() => failed.push(one.title));
  }
  const news = failed.length === 0 ? notice('good', `Your memberships now use the ${name}.`) : notice('bad', 'Some memberships still use the old card.', `We couldn’t change it for ${failed.map((title) => `“${title}”`).join(', ')}.`);
  say(outcome, news);
}

async function remove(card) {
  const name = cardName(card);
  const sure = await confirmed({
    title: `Remove the ${name}?`,
    text: 'It’s deleted at Stripe as well. You keep everything you bought with it.',
    yes: 'Remove card',
    no: 'Keep card',
  });
  if (!sure) return;
  const work = (query) => change(`The ${name} wasn’t removed.`, `The ${name} was removed.`, () => api.delete(`/users/me/payment-methods/${part(card.id)}`, { query, timeout: TIMEOUT_MS }), 'card_in_use');
  if ((await work()) !== 'card_in_use') return;
  const even = await confirmed({
    title: 'One of your memberships uses this card.',
    text: 'If you remove it, the next renewal will fail. To avoid that, make another card your default first and use it for your memberships.',
    yes: 'Remove anyway',
    no: 'Keep card',
  });
  if (even) await work({ in_use: 'true' });
}

/** @returns {Promise<boolean|string>} whether it is done, or the code of an expected refusal */
async function change(failure, done, work, asked) {
  say(outcome, null);
  let news = notice('good', done);
  try {
    await work();
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return false;
    }
    if (asked && error.code === asked) return asked;
    if (error.status !== 404) {
      say(outcome, problem(failure, error));
      return false;
    }
    news = notice('plain', 'This card was already removed.', 'You removed it in another window.');
  }
  say(outcome, news);
  await list.reload();
  return true;
}

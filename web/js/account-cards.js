/** The buyer's saved cards: the list, and what can be done with them. */

import { api, part } from './api.js';
import { cardName, expiry, hasExpired } from './cards.js';
import { leaveFor } from './checkout.js';
import { pagedList } from './list.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, byId, confirmed, h, notice, say, table } from './ui.js';

const COLUMNS = [{ title: 'Card' }, { title: 'Expires' }, { title: 'Use' }, { title: 'Actions' }];
/** Stripe is asked on the way. */
const TIMEOUT_MS = 35_000;
/** The cards that were there when the browser left for Stripe's page. */
const BEFORE = 'cards-before';

const section = byId('cards');
const outcome = byId('card-outcome');

let list;
let shown = [];
/** What the address says of a visit to Stripe's page, until the list has said how it ended. */
let visit = null;

/** Shows the list and makes its buttons work. */
export function savedCards() {
  takeVisit();
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
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'You have no saved cards. With one you pay in a single step.')),
    changed: (cards) => {
      shown = cards;
      welcomeBack();
    },
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
  offerToAdd();
  // The browser may bring this page back as it was before Stripe's page.
  window.addEventListener('pageshow', (event) => {
    if (!event.persisted) return;
    offerToAdd();
    list.reload();
  });
}

function cells(card) {
  const name = cardName(card);
  const act = (text, work) => {
    const control = button(text, () => busy(control, work), { class: 'button button-small', 'aria-label': `${text}: ${name}` });
    return control;
  };
  return [
    name,
    hasExpired(card) ? h('span', {}, expiry(card), ' ', h('span', { class: 'label label-warn' }, 'Expired')) : expiry(card),
    card.is_default ? h('span', { class: 'label label-good' }, 'Default') : '–',
    h('div', { class: 'row-actions' }, !card.is_default && act('Make default', () => makeDefault(card)), act('Remove', () => remove(card))),
  ];
}

/** Draws the button anew: one that has sent the browser away stays out of use. */
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
    else say(outcome, problem('Stripe’s page could not be opened.', error, error.isOutage ? { text: 'Nothing was saved, and it is safe to try again.' } : {}));
  }
}

/** Takes the visit out of the address: a reload is no new one. */
function takeVisit() {
  visit = new URLSearchParams(window.location.search).get('card');
  if (visit) window.history.replaceState(null, '', window.location.pathname);
}

/** Says how the visit to Stripe's page ended. The list knows whether a card was saved; the address proves nothing. */
function welcomeBack() {
  const ended = visit;
  visit = null;
  if (ended === 'canceled') say(outcome, notice('plain', 'You left Stripe’s page.', 'No card was saved.'));
  if (ended !== 'saved') return;
  const before = JSON.parse(window.sessionStorage.getItem(BEFORE) ?? 'null');
  window.sessionStorage.removeItem(BEFORE);
  const added = before && shown.find(({ id }) => !before.includes(id));
  const again = button('Look again', () => {
    say(outcome, null);
    list.reload();
  });
  if (added) say(outcome, notice('good', `Your ${cardName(added)} is saved.`));
  else say(outcome, notice('plain', 'You are back from Stripe’s page.', 'The cards that are saved stand below.', [again]));
  section.scrollIntoView({ block: 'nearest' });
}

const makeDefault = (card) =>
  change('The default was not changed.', `${cardName(card)} is your default card.`, () => api.patch(`/users/me/payment-methods/${part(card.id)}`, { is_default: true }, { timeout: TIMEOUT_MS }));

async function remove(card) {
  const name = cardName(card);
  const sure = await confirmed({
    title: `Remove the ${name}?`,
    text: 'Stripe forgets it for good. What you bought with it stays yours.',
    yes: 'Remove card',
    no: 'Keep card',
  });
  if (sure) await change(`The ${name} was not removed.`, `The ${name} is removed.`, () => api.delete(`/users/me/payment-methods/${part(card.id)}`, { timeout: TIMEOUT_MS }));
}

async function change(failure, done, work) {
  say(outcome, null);
  let news = notice('good', done);
  try {
    await work();
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return;
    }
    if (error.status !== 404) {
      say(outcome, problem(failure, error));
      return;
    }
    news = notice('plain', 'This card is not saved any more.', 'It was removed in another window.');
  }
  say(outcome, news);
  // The button that was pressed goes with its row: the keyboard goes on from here.
  section.focus({ preventScroll: true });
  await list.reload();
}

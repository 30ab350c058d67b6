/** The buyer's memberships: the list, and what can be done with them. */

import { api, part } from './api.js';
import { shortName } from './cards.js';
import { usableCards } from './course-cards.js';
import { pagedList } from './list.js';
import { TIMEOUT_MS, rate, subscriptionLabel } from './membership.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, byId, confirmed, date, h, notice, say, table } from './ui.js';

const COLUMNS = [{ title: 'Membership' }, { title: 'State' }, { title: 'Open until' }, { title: 'Price', number: true }, { title: 'Actions' }];

const section = byId('memberships');
const outcome = byId('membership-outcome');

let list;

/** Shows the list and makes its buttons work. */
export function memberships() {
  // What the address says of a visit to Stripe's page proves nothing; the list knows.
  const visit = new URLSearchParams(window.location.search).get('subscription');
  if (visit) {
    window.history.replaceState(null, '', `${window.location.pathname}#memberships`);
    const again = button('Look again', () => list.reload());
    const left = visit === 'canceled';
    say(outcome, notice('plain', left ? 'You left Stripe’s page.' : 'You are back from Stripe’s page.', left ? 'Nothing was charged.' : 'Your memberships stand below.', left ? [] : [again]));
  }
  let rows;
  list = pagedList({
    root: byId('membership-list'),
    name: 'memberships',
    load: (cursor) => api.get('/subscriptions', { query: { limit: 20, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('My memberships', COLUMNS);
      return rows;
    },
    row: (subscription) => rows.row(cells(subscription)),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'You are no member anywhere. Where a seller offers a membership, it stands beside their courses.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
}

function cells(subscription) {
  const { title, amount, currency, interval, paid_until: until } = subscription;
  return [title, subscriptionLabel(subscription), until ? date(until) : '–', rate(amount, currency, interval), h('div', { class: 'row-actions' }, actions(subscription))];
}

function actions(subscription) {
  const act = (text, work) => {
    const control = button(text, () => busy(control, () => work(subscription)), { class: 'button button-small', 'aria-label': `${text}: ${subscription.title}` });
    return control;
  };
  const runs = ['active', 'past_due'].includes(subscription.status);
  if (!runs) return [];
  const switched = subscription.interval === 'month' ? 'Pay by the year' : 'Pay by the month';
  return [
    subscription.cancel_at_period_end ? act('Keep it', keep) : act('Cancel', cancel),
    subscription.status === 'active' && !subscription.cancel_at_period_end && act(switched, change),
    subscription.status === 'past_due' && act('Pay now', payNow),
  ];
}

async function cancel(subscription) {
  const sure = await confirmed({
    title: `Cancel “${subscription.title}”?`,
    text: 'You read on until the end of what you have paid. Then the courses close, and nothing more is charged.',
    yes: 'Cancel membership',
    no: 'Stay a member',
  });
  if (sure) await ask(subscription, 'cancel', undefined, 'The membership was not canceled.', 'The membership ends with what you have paid.');
}

const keep = (subscription) => ask(subscription, 'resume', undefined, 'Nothing was changed.', 'You stay a member.');

async function change(subscription) {
  const interval = subscription.interval === 'month' ? 'year' : 'month';
  const sure = await confirmed({
    title: `Pay for “${subscription.title}” by the ${interval}?`,
    text: 'It begins today. What is left of what you have paid is taken off, and the difference is charged to your card now.',
    yes: `Pay by the ${interval}`,
    no: 'Leave it as it is',
  });
  if (sure) await ask(subscription, 'switch', { interval }, 'Nothing was changed.', `You pay by the ${interval} from now on.`);
}

async function payNow(subscription) {
  const [card] = await usableCards();
  if (!card) {
    say(outcome, notice('plain', 'Save a card first.', 'Add a card below, then press “Pay now” again.'));
    return;
  }
  const sure = await confirmed({
    title: `Pay with ${shortName(card)}?`,
    text: 'What this membership owes is charged now, and this card pays it from now on.',
    yes: 'Pay now',
    no: 'Not now',
  });
  if (sure) await ask(subscription, 'resume', { payment_method: card.id }, 'It was not paid.', 'It is paid. You stay a member.');
}

const WORDS = {
  card_declined: 'The card was declined. Nothing was charged.',
  interval_not_offered: 'The seller does not offer that.',
  subscription_past_due: 'Pay what is due first.',
  subscription_not_running: 'It has ended, or is about to.',
};

async function ask(subscription, what, body, failure, done) {
  say(outcome, null);
  let news = notice('good', done);
  try {
    await api.post(`/subscriptions/${part(subscription.id)}/${what}`, body, { timeout: TIMEOUT_MS });
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return;
    }
    news = problem(failure, error, WORDS[error.code] ? { text: WORDS[error.code] } : {});
  }
  say(outcome, news);
  // The button that was pressed goes with its row: the keyboard goes on from here.
  section.focus({ preventScroll: true });
  await list.reload();
}

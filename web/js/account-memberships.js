/** The buyer's memberships: the list and its actions. */

import { api, part } from './api.js';
import { shortName } from './cards.js';
import { leaveFor } from './checkout.js';
import { usableCards } from './course-cards.js';
import { pagedList } from './list.js';
import { TIMEOUT_MS, rate, rates, subscriptionLabel } from './membership.js';
import { format } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { teacherBy, teacherLink } from './teachers.js';
import { busy, button, byId, confirmed, date, h, notice, say, table } from './ui.js';

const COLUMNS = [{ title: 'Membership' }, { title: 'Status' }, { title: 'Paid until' }, { title: 'Price', number: true }, { title: 'Actions' }];

const outcome = byId('membership-outcome');

let list;
/** What is known of the teachers, by id. Memberships of different teachers often have the same title. */
const teachers = new Map();

/** Shows the list and connects its buttons. */
export function memberships() {
  let rows;
  list = pagedList({
    root: byId('membership-list'),
    name: 'memberships',
    async load(cursor) {
      const answer = await api.get('/subscriptions', { query: { limit: 20, cursor }, cache: 'no-store' });
      const ids = new Set(answer.items.map(({ seller_id: id }) => id).filter((id) => !teachers.has(id)));
      await Promise.all([...ids].map(async (id) => teachers.set(id, await teacherBy(id))));
      return answer;
    },
    frame: () => {
      rows = table('Memberships', COLUMNS);
      return rows;
    },
    row: (subscription) => rows.row(cells(subscription)),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'You don’t have any memberships. Teachers who offer one show it next to their courses.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
    news: outcome,
  });
  return list.ready;
}

/** What a membership is called in a sentence. */
function named({ title, seller_id: seller }) {
  const teacher = teachers.get(seller);
  return teacher ? `“${title}” by ${teacher.name}` : `“${title}”`;
}

function cells(subscription) {
  const { title, seller_id: seller, amount, currency, interval, paid_until: until, switches_at: from } = subscription;
  const price = from ? `${rate(amount, currency, interval)} from ${date(from)}` : rate(amount, currency, interval);
  const teacher = teachers.get(seller);
  const name = h('div', {}, h('span', { dir: 'auto' }, title), teacher && h('div', { class: 'small' }, 'by ', teacherLink(teacher)));
  return [name, subscriptionLabel(subscription), until ? date(until) : '–', price, h('div', { class: 'row-actions' }, actions(subscription))];
}

function actions(subscription) {
  const act = (text, work) => {
    const control = button(text, () => busy(control, () => work(subscription)), { class: 'button button-small', 'aria-label': `${text}: ${subscription.title}`, 'data-focus': `${text} ${subscription.id}` });
    return control;
  };
  const runs = ['active', 'past_due'].includes(subscription.status);
  if (!runs) return [];
  const switched = subscription.interval === 'month' ? 'Switch to yearly' : 'Switch to monthly';
  return [
    subscription.ended_by ? null : subscription.cancel_at_period_end ? act('Resume', keep) : act('Cancel', cancel),
    subscription.cancel_at_period_end && act('End now', endNow),
    subscription.status === 'active' && !subscription.cancel_at_period_end && act(switched, change),
    subscription.status === 'past_due' && act('Pay now', payNow),
  ];
}

async function cancel(subscription) {
  const sure = await confirmed({
    title: `Cancel ${named(subscription)}?`,
    text:
      subscription.status === 'past_due'
        ? 'It ends now. You won’t be charged what is due, and you keep access until the end of the period you have paid for.'
        : 'You keep access until the end of the period you have paid for, and won’t be charged again.',
    yes: 'Cancel membership',
    no: 'Keep membership',
  });
  if (sure) await ask(subscription, 'cancel', undefined, 'Your membership wasn’t canceled.', 'Your membership is canceled. You keep access until the end of the paid period.');
}

async function endNow(subscription) {
  const sure = await confirmed({
    title: `End ${named(subscription)} now?`,
    text: 'You won’t be charged again, and this can’t be undone. You keep access until the end of the period you have paid for.',
    yes: 'End now',
    no: 'Not now',
  });
  if (sure) await ask(subscription, 'cancel', { at_once: true }, 'Your membership wasn’t ended.', 'Your membership has ended. You won’t be charged again.');
}

const keep = (subscription) => ask(subscription, 'resume', undefined, 'Nothing was changed.', 'Your membership will renew as before.');

async function change(subscription) {
  const interval = subscription.interval === 'month' ? 'year' : 'month';
  say(outcome, null);
  const offered = await offeredRate(subscription.seller_id, interval);
  if (!offered) return;
  const { amount, currency } = offered;
  const when =
    amount > subscription.amount && !subscription.switches_at
      ? `Your card is charged today: ${format(amount, currency)}, less what is left of the period you have paid for.`
      : 'You won’t be charged today. The change takes effect at the end of the period you have paid for.';
  const sure = await confirmed({
    title: `Switch ${named(subscription)} to ${interval}ly billing?`,
    text: `It costs ${rate(amount, currency, interval)}. ${when}`,
    yes: `Switch to ${interval}ly`,
    no: 'Not now',
    isHarmless: true,
  });
  if (sure) await ask(subscription, 'switch', { interval, expected_amount: amount, expected_currency: currency }, 'Nothing was changed.', ({ switches_at: from }) => (from ? `You switch to ${interval}ly billing on ${date(from).textContent}.` : `You’re now billed ${interval}ly.`));
}

/** What the other interval costs now. Null if the teacher does not offer it, or if it cannot be read, which the page then says. */
async function offeredRate(seller, interval) {
  try {
    const offer = await api.get(`/sellers/${part(seller)}/membership`, { cache: 'no-store' });
    const found = offer.offered ? rates(offer).find((one) => one.interval === interval) : undefined;
    if (found) return { ...found, currency: offer.currency };
    say(outcome, notice('bad', 'Nothing was changed.', WORDS.interval_not_offered));
  } catch (error) {
    say(outcome, problem('Nothing was changed.', error));
  }
  return null;
}

async function payNow(subscription) {
  const [card] = await usableCards();
  if (!card) {
    await pay(subscription);
    return;
  }
  const sure = await confirmed({
    title: `Pay with ${shortName(card)}?`,
    text: 'The amount due is charged now, and this card is used for future renewals. If your bank asks you to confirm, Stripe’s page opens.',
    yes: 'Pay now',
    no: 'Not now',
    isHarmless: true,
  });
  if (sure) await pay(subscription, card.id);
}

/** Pays what is owed, or leaves for Stripe's page if only the member can do it: to authenticate, or to use another card. */
const pay = (subscription, card) =>
  ask(subscription, 'resume', card && { payment_method: card }, 'The payment didn’t go through.', ({ payment_url: url }) => {
    if (!url) return 'Paid. Your membership continues.';
    leaveFor(url);
    return 'Opening Stripe’s payment page.';
  });

const WORDS = {
  card_declined: 'Your card was declined, and you haven’t been charged. Make another card your default, or remove this one to pay on Stripe’s page.',
  payment_method_refused: 'This card can’t be used for this membership. Remove it, then choose “Pay now” again to pay on Stripe’s page.',
  interval_not_offered: 'The teacher doesn’t offer that.',
  price_changed: 'The price has just changed. Choose the switch again to see what it costs now.',
  subscription_past_due: 'Pay the amount due first.',
  subscription_not_running: 'This membership has ended or is about to.',
};

async function ask(subscription, what, body, failure, done) {
  say(outcome, null);
  let news;
  try {
    const answer = await api.post(`/subscriptions/${part(subscription.id)}/${what}`, body, { timeout: TIMEOUT_MS });
    news = notice('good', typeof done === 'string' ? done : done(answer));
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return;
    }
    news = problem(failure, error, WORDS[error.code] ? { text: WORDS[error.code] } : {});
  }
  say(outcome, news);
  await list.reload();
}

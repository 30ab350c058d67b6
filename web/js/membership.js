/** Describes memberships, and subscribes to them. */

import { api, part } from './api.js';
import { leaveFor } from './checkout.js';
import { failedSince, lookForPayment } from './lost-payment.js';
import { format } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { withTerms } from './terms.js';
import { h, linkButton, notice } from './ui.js';

/** Includes requests to Stripe, which may be slow. */
export const TIMEOUT_MS = 35_000;

const EVERY = { month: 'a month', year: 'a year' };

/** @returns {string} such as "$10.00 a month" */
export const rate = (amount, currency, interval) => `${format(amount, currency)} ${EVERY[interval]}`;

/** @returns {{interval: string, amount: number}[]} what is offered, monthly first */
export const rates = ({ monthly, yearly }) =>
  [
    ['month', monthly],
    ['year', yearly],
  ].flatMap(([interval, price]) => (price ? [{ interval, amount: price.amount }] : []));

const STATUSES = {
  pending: ['plain', 'Waiting for payment'],
  incomplete: ['warn', 'Confirmation needed'],
  active: ['good', 'Active'],
  past_due: ['bad', 'Payment due'],
  canceled: ['plain', 'Ended'],
  failed: ['plain', 'Payment failed'],
};

/** @returns {Element} a subscription's status, as a small label */
export function subscriptionLabel({ status, cancel_at_period_end: ends, failure }) {
  let [tone, text] = STATUSES[status] ?? ['plain', status.replaceAll('_', ' ')];
  if (status === 'active' && ends) [tone, text] = ['warn', 'Canceled, still open'];
  // Abandoned at Stripe's page or the bank's, or replaced by another way to pay.
  if (status === 'failed' && ['expired', 'withdrawn'].includes(failure?.code)) text = 'Not completed';
  return h('span', { class: `label label-${tone}` }, text);
}

const memberships = () => linkButton('Your memberships', '/account.html#memberships');

/** The course on whose page the user joined, remembered during the visit to Stripe's page. */
const FROM = 'joined-from';

/** @returns {{id: string, title: string}|null} */
export function joinedFrom() {
  const kept = JSON.parse(window.sessionStorage.getItem(FROM) ?? 'null');
  window.sessionStorage.removeItem(FROM);
  return kept;
}

/**
 * Subscribes with a saved card, or leaves for Stripe's page.
 *
 * @param {object} course with which it is offered
 * @param {{interval: string, amount: number, currency: string}} rate the interval, and the price that the buyer has seen, in the minor unit
 * @param {string} [card] `pm_…`; omitted for Stripe's page
 * @returns {Promise<Element>} a notice with the result, and the error's code in its dataset. Never resolves if the browser leaves.
 */
export async function subscribe(course, { interval, amount, currency }, card) {
  const seller = course.seller.id;
  const began = Date.now();
  const remember = () => window.sessionStorage.setItem(FROM, JSON.stringify({ id: course.id, title: course.title }));
  try {
    const body = { interval, expected_amount: amount, expected_currency: currency, payment_method: card };
    const answer = await withTerms(() => api.post(`/sellers/${part(seller)}/membership/subscribe`, body, { timeout: TIMEOUT_MS }));
    if (answer.checkout_url) {
      remember();
      leaveFor(answer.checkout_url);
      return new Promise(() => {});
    }
    if (answer.subscription.status === 'incomplete') {
      return notice('plain', 'Your bank needs you to confirm this card.', 'You haven’t been charged yet. Choose Stripe’s page instead, where you can confirm it.');
    }
    const box = notice('good', 'You’re a member.', 'All of this teacher’s courses are open to you.', [linkButton('Your library', '/account.html#library')]);
    box.dataset.code = 'subscribed';
    return box;
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return new Promise(() => {});
    }
    const box = card && error.isOutage ? lostPayment(seller, began, remember) : refusal(error);
    box.dataset.code = error.code ?? '';
    return box;
  }
}

/** A notice for a card that was charged or not: the answer was lost. It leads to the membership once there is a result. */
function lostPayment(seller, began, remember) {
  const hasResult = (subscription) => ['incomplete', 'active', 'past_due'].includes(subscription.status) || failedSince(subscription, began);
  return lookForPayment({
    async find() {
      const { items } = await api.get('/subscriptions', { query: { limit: 20 }, cache: 'no-store' });
      return items.filter(({ seller_id: id }) => id === seller).slice(0, 1).find(hasResult);
    },
    found({ id }) {
      remember();
      window.location.assign(`/account.html?subscription=${encodeURIComponent(id)}`);
    },
    list: memberships,
  });
}

function refusal(error) {
  switch (error.code) {
    case 'already_subscribed':
      return notice('good', 'You’re already a member.', 'You haven’t been charged again.', [memberships()]);
    case 'subscription_in_progress':
      return notice('plain', 'You’re already joining.', 'Finish in the other window. If a payment has just failed, try the same again, or wait two minutes to choose something else. You can’t be charged twice.', [memberships()]);
    case 'seller_not_connected':
    case 'seller_capability_missing':
    case 'price_too_low':
      return notice('plain', 'This membership isn’t available right now.', 'You haven’t been charged. Please check back later.');
    case 'own_membership':
      return notice('plain', 'This is your own membership.', 'Your courses are open to you anyway.');
    case 'price_changed':
    case 'interval_not_offered':
    case 'not_found':
      return notice('bad', 'This membership has changed since you opened the page.', 'You haven’t been charged. Reload the page to see what is offered now.');
    case 'card_declined':
      return notice('bad', 'Your card was declined.', 'You haven’t been charged. Try another card, or ask your bank.');
    case 'payment_method_refused':
      return notice('bad', 'This card can’t be used.', 'You haven’t been charged. Choose another card or Stripe’s page.');
    default:
      return problem('We couldn’t start your membership.', error, error.isOutage ? { text: 'You can’t be charged twice, so it’s safe to try again.' } : {});
  }
}

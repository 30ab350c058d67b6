/** Memberships in words, and subscribing to one. */

import { api, part } from './api.js';
import { leaveFor } from './checkout.js';
import { format } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { h, linkButton, notice } from './ui.js';

/** Stripe is asked on the way; its slowest answer is worth waiting for. */
export const TIMEOUT_MS = 35_000;

const EVERY = { month: 'a month', year: 'a year' };

/** @returns {string} such as "$10.00 a month" */
export const rate = (amount, currency, interval) => `${format(amount, currency)} ${EVERY[interval]}`;

/** @returns {{interval: string, amount: number}[]} what is offered, by the month first */
export const rates = ({ monthly, yearly }) =>
  [
    ['month', monthly],
    ['year', yearly],
  ].flatMap(([interval, price]) => (price ? [{ interval, amount: price.amount }] : []));

const STATUSES = {
  pending: ['plain', 'Not finished'],
  incomplete: ['warn', 'Confirmation needed'],
  active: ['good', 'Active'],
  past_due: ['bad', 'Payment due'],
  canceled: ['plain', 'Ended'],
  failed: ['plain', 'Did not begin'],
};

/** @returns {Element} how a subscription stands, as a small label */
export function subscriptionLabel({ status, cancel_at_period_end: ends }) {
  const [tone, text] = status === 'active' && ends ? ['warn', 'Ends'] : (STATUSES[status] ?? ['plain', status.replaceAll('_', ' ')]);
  return h('span', { class: `label label-${tone}` }, text);
}

const memberships = () => linkButton('My memberships', '/account.html#memberships');

/**
 * Subscribes with a saved card, or leaves for Stripe's page.
 *
 * @param {string} seller
 * @param {string} interval
 * @param {string} [card] `pm_…`; none for Stripe's page
 * @returns {Promise<Element>} a notice with how it ended, and the error's code in its data set. Never ends where the browser leaves.
 */
export async function subscribe(seller, interval, card) {
  try {
    const answer = await api.post(`/sellers/${part(seller)}/membership/subscribe`, { interval, payment_method: card }, { timeout: TIMEOUT_MS });
    if (answer.checkout_url) {
      leaveFor(answer.checkout_url);
      return new Promise(() => {});
    }
    if (answer.subscription.status === 'incomplete') {
      return notice('plain', 'Your bank wants to confirm this card.', 'Nothing was charged yet. Subscribe on Stripe’s page instead, where you can confirm it.');
    }
    const box = notice('good', 'You are a member.', 'All of this seller’s courses are open to you.', [memberships()]);
    box.dataset.code = 'subscribed';
    return box;
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return new Promise(() => {});
    }
    const box = refusal(error);
    box.dataset.code = error.code ?? '';
    return box;
  }
}

function refusal(error) {
  switch (error.code) {
    case 'already_subscribed':
      return notice('good', 'You are a member already.', 'It was not charged again.', [memberships()]);
    case 'subscription_in_progress':
      return notice('plain', 'You are subscribing in another window.', 'Finish there, or wait a few seconds and try again. You cannot be charged twice.', [memberships()]);
    case 'seller_not_connected':
      return notice('bad', 'This membership cannot be bought at the moment.', 'Its seller cannot receive payments yet. Nothing was charged; please come back later.');
    case 'interval_not_offered':
    case 'not_found':
      return notice('bad', 'The membership has changed since you opened this page.', 'Nothing was charged. Reload the page to see what is offered now.');
    case 'card_declined':
      return notice('bad', 'The card was declined.', 'Nothing was charged. Try again with another card, or ask your bank.');
    case 'payment_method_refused':
      return notice('bad', 'This card cannot be used.', 'Nothing was charged. Choose another card, or subscribe on Stripe’s page.');
    default:
      return problem('The membership could not be started.', error, error.isOutage ? { text: 'Nothing was charged twice, and it is safe to try again.' } : {});
  }
}

/** Buying: one request, and where it leads. */

import { api } from './api.js';
import { goToLogin } from './session.js';
import { format } from './money.js';
import { button, linkButton, notice } from './ui.js';
import { problem } from './problems.js';

/** Stripe is asked on the way; its slowest answer is worth waiting for. */
const TIMEOUT_MS = 35_000;

/** Where a purchase shows how it stands. */
export const purchasePage = (id) => `/purchase.html?id=${encodeURIComponent(id)}`;

/** Leaves for a page of Stripe's. */
export function leaveFor(text) {
  const url = new URL(text);
  // A scheme such as javascript: would run as this site.
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('the payment page has no web address');
  window.location.assign(url.href);
}

/**
 * Sends the one request that buys.
 *
 * @param {{course_id: string, expected_amount?: number, payment_method?: string, save_card?: boolean}} body
 * @returns {Promise<object>} as POST /courses/charge answers; never ends where the session has
 */
export async function charge(body) {
  try {
    return await api.post('/courses/charge', body, { timeout: TIMEOUT_MS });
  } catch (error) {
    if (error.status !== 401) throw error;
    goToLogin();
    return new Promise(() => {});
  }
}

/**
 * Begins or goes on with the purchase of a course, and leaves for the page where it goes on.
 *
 * @param {string} courseId
 * @param {number} [expected] the price that the buyer has seen, in the minor unit
 * @param {{card?: string, keepCard?: boolean}} [how] with a saved card (its `pm_…`), or by Stripe's page, which keeps the card
 *   where the buyer said so
 * @returns {Promise<Element>} a notice where it does not go on, with the error's code in its data set. Never ends where
 *   the browser leaves, so that nothing can be pressed a second time meanwhile.
 */
export async function buy(courseId, expected, { card, keepCard } = {}) {
  try {
    const answer = await charge({ course_id: courseId, expected_amount: expected, payment_method: card, save_card: keepCard || undefined });
    const url = answer.checkout_url ?? answer.next_action_url;
    if (keepCard && answer.checkout_url && answer.purchase.charge_type === 'direct') return cannotKeep(answer.checkout_url);
    if (url) leaveFor(url);
    else window.location.assign(purchasePage(answer.purchase.id));
    return new Promise(() => {});
  } catch (error) {
    const box = refusal(error);
    box.dataset.code = error.code ?? '';
    return box;
  }
}

/** Whoever wanted the card kept hears that it will not be, before the card is typed. */
function cannotKeep(url) {
  const onwards = button('Go to the payment page', () => leaveFor(url), { class: 'button button-main' });
  return notice('plain', 'Your card cannot be kept with this purchase.', 'This seller takes the payment on an account of their own. You can pay all the same, or save a card in your account first.', [onwards]);
}

const purchases = () => linkButton('My purchases', '/account.html#purchases');

/** Why a purchase did not go on, as a notice. */
export function refusal(error) {
  switch (error.code) {
    case 'already_owned':
      return notice('good', 'You own this course already.', 'It was not charged again.', [purchases()]);
    case 'own_course':
      return notice('plain', 'This is your own course.', 'Sellers cannot buy from themselves.');
    case 'price_changed': {
      const price = error.body.price;
      const now = price ? ` It now costs ${format(price.amount, price.currency)}.` : '';
      return notice('plain', 'The price has changed since you opened this page.', `Nothing was charged.${now} Buy it at the new price if that suits you.`);
    }
    case 'seller_not_connected':
      return notice('bad', 'This course cannot be bought at the moment.', 'Its seller cannot receive payments yet. Nothing was charged; please come back later.');
    case 'purchase_in_progress':
      return notice('plain', 'You are buying this course in another window.', 'Finish there, or wait a few seconds and try again. You cannot be charged twice.', [purchases()]);
    case 'card_declined':
      return notice('bad', 'The card was declined.', 'Nothing was charged. Try again with another card, or ask your bank.');
    case 'payment_method_refused':
      return notice('bad', 'This card cannot be used.', 'Nothing was charged. Choose another card, or pay on Stripe’s page.');
    case 'not_found':
      return notice('bad', 'This course is not for sale any more.', 'Nothing was charged.', [linkButton('All courses', '/')]);
    default:
      if (error.isOutage || !error.code) {
        return problem('The payment could not be started.', error, { text: 'Nothing was charged twice, and it is safe to try again.' });
      }
      return problem('The payment could not be started.', error);
  }
}

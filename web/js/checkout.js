/** Buying: one request, and where it leads. */

import { api } from './api.js';
import { failedSince, lookForPayment } from './lost-payment.js';
import { format } from './money.js';
import { goToLogin } from './session.js';
import { ownsCourse } from './status.js';
import { button, linkButton, notice } from './ui.js';
import { problem } from './problems.js';
import { withTerms } from './terms.js';

/** Includes requests to Stripe, which may be slow. */
const TIMEOUT_MS = 35_000;

/** The page that shows a purchase's status. */
export const purchasePage = (id) => `/purchase.html?id=${encodeURIComponent(id)}`;

/** Leaves for a page at Stripe. */
export function leaveFor(text) {
  const url = new URL(text);
  // A scheme such as javascript: would run as this site.
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('the payment page has no web address');
  window.location.assign(url.href);
}

/**
 * Sends the one request that buys.
 *
 * @param {{course_id: string, expected_amount?: number, expected_currency?: string, payment_method?: string, save_card?: boolean}} body
 * @returns {Promise<object>} the response of POST /courses/charge; never resolves if the session has ended
 */
export async function charge(body) {
  try {
    return await withTerms(() => api.post('/courses/charge', body, { timeout: TIMEOUT_MS }));
  } catch (error) {
    if (error.status !== 401) throw error;
    goToLogin();
    return new Promise(() => {});
  }
}

/**
 * Starts or continues the purchase of a course, and leaves for the next page.
 *
 * @param {string} courseId
 * @param {{amount: number, currency: string}} expected the price that the buyer has seen, in the minor unit
 * @param {{card?: string, keepCard?: boolean}} [how] with a saved card (its `pm_…`), or on Stripe's page, which saves
 *   the card if the buyer agreed
 * @returns {Promise<Element>} a notice if it fails, with the error's code in its dataset. Never resolves if the browser
 *   leaves, so that nothing can be pressed twice in the meantime.
 */
export async function buy(courseId, expected, { card, keepCard } = {}) {
  const began = Date.now();
  try {
    const answer = await charge({ course_id: courseId, expected_amount: expected.amount, expected_currency: expected.currency, payment_method: card, save_card: keepCard || undefined });
    const url = answer.checkout_url ?? answer.next_action_url;
    if (keepCard && answer.checkout_url && answer.purchase.charge_type === 'direct') return cannotKeep(answer.checkout_url);
    if (url) leaveFor(url);
    else window.location.assign(purchasePage(answer.purchase.id));
    return new Promise(() => {});
  } catch (error) {
    const box = card && error.isOutage ? lostPayment(courseId, began) : refusal(error);
    box.dataset.code = error.code ?? '';
    return box;
  }
}

/** Tells a buyer who wants the card saved that it will not be, before they enter it. */
function cannotKeep(url) {
  const onwards = button('Continue to payment', () => leaveFor(url), { class: 'button button-main' });
  return notice('plain', 'Your card can’t be saved with this purchase.', 'This teacher takes payments through their own account. You can still pay, or save a card in your account first.', [onwards]);
}

/**
 * A notice for a card that was charged or not: the answer was lost. It leads to the purchase once there is a result.
 *
 * @param {string} courseId
 * @param {number} began when the request was sent, in milliseconds
 */
export function lostPayment(courseId, began) {
  const hasResult = (purchase) => purchase.processing || purchase.status === 'requires_action' || ownsCourse(purchase.status) || failedSince(purchase, began);
  return lookForPayment({
    async find() {
      const { items } = await api.get('/purchases', { query: { limit: 20 }, cache: 'no-store' });
      return items.filter(({ course_id: id }) => id === courseId).slice(0, 1).find(hasResult);
    },
    found: ({ id }) => window.location.assign(purchasePage(id)),
    list: purchases,
  });
}

const purchases = () => linkButton('Your purchases', '/account.html#purchases');

/** Errors that mean that nobody can buy the course at the moment. */
const NOT_ON_SALE = ['price_too_low', 'seller_not_connected', 'seller_capability_missing', 'not_found'];
export const isNotOnSale = (code) => NOT_ON_SALE.includes(code);

/** A notice about why a purchase did not continue. */
export function refusal(error) {
  switch (error.code) {
    case 'already_owned':
      return notice('good', 'You already own this course.', 'You haven’t been charged again.', [linkButton('Your library', '/account.html#library')]);
    case 'own_course':
      return notice('plain', 'This is your own course.', 'You can’t buy your own courses.');
    case 'price_changed': {
      const price = error.body.price;
      const now = price ? ` It now costs ${format(price.amount, price.currency)}.` : '';
      return notice('plain', 'The price has changed since you opened this page.', `You haven’t been charged.${now} You can buy it at the new price.`);
    }
    case 'price_too_low':
    case 'seller_not_connected':
    case 'seller_capability_missing':
      return notice('plain', 'This course isn’t on sale right now.', 'You haven’t been charged. Please check back later.');
    case 'purchase_in_progress':
      return notice('plain', 'You’re already buying this course.', 'Finish in the other window. If a payment has just failed, try the same card again, or wait two minutes to use another. You can’t be charged twice.', [purchases()]);
    case 'payment_processing':
      return notice('plain', 'Your payment is on its way.', 'Your bank takes a few days to process it. The course opens as soon as the money arrives.', [purchases()]);
    case 'card_declined':
      return notice('bad', 'Your card was declined.', 'You haven’t been charged. Try another card, or ask your bank.');
    case 'payment_method_refused':
      return notice('bad', 'This card can’t be used.', 'You haven’t been charged. Choose another card, or pay on Stripe’s page.');
    case 'email_not_confirmed':
      return notice('bad', 'Confirm your email address first.', 'After a declined card we need to know your address: follow the link in our email, or pay on Stripe’s page.', [linkButton('Resend the email in your account', '/account.html')]);
    case 'not_found':
      return notice('plain', 'This course is no longer for sale.', 'You haven’t been charged.', [linkButton('Browse courses', '/')]);
    default:
      if (error.isOutage || !error.code) {
        return problem('We couldn’t start the payment.', error, { text: 'You can’t be charged twice, so it’s safe to try again.' });
      }
      return problem('We couldn’t start the payment.', error);
  }
}

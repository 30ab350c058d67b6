/** A payment whose answer was lost: it may have been made, so the page asks until the API knows. */

import { goToLogin } from './session.js';
import { button, h, notice } from './ui.js';
import { waitFor } from './waiting.js';

const SAFE = 'You can’t be charged twice, so it’s safe to try again.';

/** Whether a payment failed since this time, in milliseconds: an earlier failure says nothing about this one. */
export const failedSince = ({ status, updated_at: at }, time) => ['failed', 'canceled'].includes(status) && Date.parse(at) >= time;

/**
 * A notice that it is not known whether a payment was made. While it is shown, it looks for the payment.
 *
 * @param {object} options
 * @param {() => Promise<object|undefined>} options.find reads the payment, if there is a result
 * @param {(found: object) => void} options.found leaves for the page that shows it
 * @param {() => Element} options.list a link to where it will be listed
 * @returns {Element}
 */
export function lookForPayment({ find, found, list }) {
  const box = notice('plain', [h('span', { class: 'spinner', 'aria-hidden': 'true' }), ' We don’t know yet whether you’ve paid.'], `We’re finding out, and this page continues as soon as we know. ${SAFE}`, [list()]);
  const giveUp = () => {
    const last = notice('plain', 'We still don’t know whether you’ve paid.', `If you have, you’ll soon find it in your account, and you get a receipt by email. ${SAFE}`, [list(), button('Check again', () => wait.again())]);
    box.replaceChildren(...last.childNodes);
  };
  const wait = waitFor({
    ask: () =>
      find().catch((error) => {
        if (!error.isOutage) throw error;
      }),
    isSettled: (one) => Boolean(one) || !box.isConnected,
    heard(one, { isLast }) {
      if (!box.isConnected) return;
      if (one) found(one);
      else if (isLast) giveUp();
    },
    failed(error) {
      if (error.status === 401) goToLogin();
      else giveUp();
    },
  });
  wait.begin();
  return box;
}

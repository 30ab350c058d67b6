/** Giving money back: a dialog that asks how much, for sellers and staff. */

import { api, part } from './api.js';
import { format, parse, toMajor } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { button, h, notice, onSubmit, say } from './ui.js';

/** Stripe is asked on the way; its slowest answer is worth waiting for. */
const TIMEOUT_MS = 35_000;

/** What can still be given back. The API knows for sure. */
const left = ({ amount, refunded }) => amount - refunded;

/**
 * A button that asks for a refund, or a dash where there is nothing to give back.
 *
 * @param {{id: string, title: string, status: string, amount: number, refunded: number, currency: string}} payment by its purchase
 * @param {object} options
 * @param {string} options.part the seller's, as the reader calls it: "your part"
 * @param {(text: string) => Promise<void>} options.done is told when the money is on its way
 */
export function refundButton(payment, { part: sellersPart, done }) {
  if (!['paid', 'partially_refunded'].includes(payment.status) || left(payment) <= 0) return '–';
  const ask = () => open(payment, sellersPart, done);
  return h('div', { class: 'row-actions' }, button('Refund', ask, { class: 'button button-small', 'aria-label': `Refund: ${payment.title}` }));
}

function open(payment, sellersPart, done) {
  const most = format(left(payment), payment.currency);
  const outcome = h('div', { role: 'status' });
  const field = h('input', {
    id: 'refund-amount',
    name: 'amount',
    type: 'text',
    inputmode: 'decimal',
    autocomplete: 'off',
    'aria-describedby': 'refund-hint',
    required: true,
    value: toMajor(left(payment), payment.currency),
  });
  const form = h(
    'form',
    { class: 'form' },
    h('h2', { id: 'refund-title' }, 'Give money back?'),
    h('p', { id: 'refund-text' }, `“${payment.title}”, ${format(payment.amount, payment.currency)}. The buyer gets it back where it came from; ${sellersPart} and the platform’s fee go back in proportion. With all of it the course leaves the buyer’s account.`),
    h('div', { class: 'field' }, h('label', { for: 'refund-amount' }, 'Amount'), field, h('p', { class: 'hint', id: 'refund-hint' }, `In ${payment.currency.toUpperCase()}, at most ${most}.`)),
    outcome,
    h('div', { class: 'actions' }, button('Cancel', () => dialog.close()), h('button', { class: 'button button-danger', type: 'submit' }, 'Give it back')),
  );
  const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'refund-title', 'aria-describedby': 'refund-text' }, form);
  dialog.addEventListener('close', () => dialog.remove());
  // The name of the request: the same one is the same refund, however often it is sent. Another amount is another refund.
  let key = globalThis.crypto.randomUUID();
  field.addEventListener('input', () => {
    key = globalThis.crypto.randomUUID();
  });
  onSubmit(form, refund);
  document.body.append(dialog);
  dialog.showModal();

  async function refund(values) {
    say(outcome, null);
    const { amount, fault } = parse(values.amount, payment.currency);
    if (fault || amount > left(payment)) {
      say(outcome, notice('bad', 'This amount cannot be given back.', fault ?? `At most ${most} is left.`));
      field.focus();
      return;
    }
    try {
      const body = amount === left(payment) ? {} : { amount };
      await api.post(`/purchases/${part(payment.id)}/refund`, body, { headers: { 'idempotency-key': key }, timeout: TIMEOUT_MS });
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(outcome, problem('The refund was not made.', error, error.isOutage ? { text: 'Send it again: it is made once, however often it is sent.' } : {}));
      return;
    }
    dialog.close();
    await done(`${format(amount, payment.currency)} is on its way back to the buyer.`);
  }
}

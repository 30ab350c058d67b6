/** Refunds: a dialog that asks for the amount, for sellers and staff. */

import { api, part } from './api.js';
import { format, parse, toField } from './money.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { button, date, h, notice, onSubmit, say } from './ui.js';

/** Includes requests to Stripe, which may be slow. */
const TIMEOUT_MS = 35_000;

/**
 * The idempotency key of a refund: the same key is the same refund, however often it is sent. It is kept until the outcome is known, also when
 * the dialog or the page is opened again, in this tab or another one.
 */
const keyOf = (refund) => {
  const key = window.localStorage.getItem(refund) ?? globalThis.crypto.randomUUID();
  window.localStorage.setItem(refund, key);
  return key;
};

/** The end of an order or invoice number, which is enough to tell the payments of one course or membership apart. */
export const shortNumber = (number) => `…${number.slice(-8)}`;

/** What can still be refunded, as far as we know; the API knows for sure. */
const left = ({ amount, refunded, refundable }) => refundable ?? amount - refunded;

/**
 * A button that opens the refund dialog, or a dash if nothing can be refunded.
 *
 * @param {{id: string, key?: string, title: string, status: string, amount: number, refunded?: number, refundable?: number, currency: string, paid_at?: string}} payment
 *   by its purchase; `key` is the invoice of a membership's period
 * @param {object} options
 * @param {string} options.part what to call the seller's part: "your part"
 * @param {(news: Element|null) => Promise<void>} options.done called when a refund was made or may have been, with a notice; the payment has to be read again
 * @param {(answer: object) => {amount: number, status?: string}} [options.made] the refund according to the API's answer; a purchase's newest by default
 * @param {string} [options.path] the API's path; a purchase's by default
 * @param {object} [options.body] what is sent in addition to the amount
 * @param {string} [options.payer] what to call the payer
 * @param {string} [options.effect] the consequences of a full refund
 */
export function refundButton(payment, options) {
  if (!['paid', 'partially_refunded'].includes(payment.status) || left(payment) <= 0) return '–';
  const ask = () =>
    open(payment, {
      path: `/purchases/${part(payment.id)}/refund`,
      body: {},
      payer: 'buyer',
      effect: 'After a full refund the buyer loses access to the course.',
      made: (purchase) => purchase.refunds.at(-1),
      ...options,
    });
  const label = `Refund: ${payment.title}, ${shortNumber(numberOf(payment))}`;
  return h('div', { class: 'row-actions' }, button('Refund', ask, { class: 'button button-small', 'aria-label': label, 'data-focus': `Refund ${numberOf(payment)}` }));
}

const numberOf = ({ id, key }) => key ?? id;

function open(payment, { part: sellersPart, done, path, body: fixed, payer, effect, made }) {
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
    value: toField(left(payment), payment.currency),
  });
  const form = h(
    'form',
    { class: 'form' },
    h('h2', { id: 'refund-title' }, 'Refund this payment?'),
    h('p', { id: 'refund-text' }, ['“', h('bdi', {}, payment.title), `”, ${format(payment.amount, payment.currency)}. The money goes back to the ${payer}’s card or account. ${sellersPart.charAt(0).toUpperCase()}${sellersPart.slice(1)} and the platform fee are reduced in proportion. ${effect}`]),
    h('p', { class: 'muted small' }, `${payment.key ? 'Invoice' : 'Order'} `, h('code', { class: 'breakable' }, numberOf(payment)), payment.paid_at && [', paid on ', date(payment.paid_at, true)]),
    h('div', { class: 'field' }, h('label', { for: 'refund-amount' }, 'Amount'), field, h('p', { class: 'hint', id: 'refund-hint' }, `In ${payment.currency.toUpperCase()}, up to ${most}.`)),
    outcome,
    h('div', { class: 'actions' }, button('Cancel', () => dialog.close()), h('button', { class: 'button button-danger', type: 'submit' }, 'Refund')),
  );
  const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'refund-title', 'aria-describedby': 'refund-text' }, form);
  /** What the page says when the dialog is closed without a refund. Undefined as long as nothing may have changed. */
  let news;
  /** The key of the refund whose answer was lost. */
  let lost;
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (news !== undefined) done(news);
  });
  // Nobody would see the outcome of a refund in a dialog that was closed meanwhile.
  let running = false;
  dialog.addEventListener('cancel', (event) => running && event.preventDefault());
  const cancel = form.querySelector('button[type=button]');
  onSubmit(form, async (values) => {
    running = cancel.disabled = true;
    await refund(values);
    running = cancel.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();

  async function refund(values) {
    say(outcome, null);
    const { amount, fault } = parse(values.amount, payment.currency);
    if (fault || amount > left(payment)) {
      say(outcome, notice('bad', 'This amount can’t be refunded.', fault ?? `You can refund up to ${most}.`));
      field.focus();
      return;
    }
    let answer;
    // Once the page shows less that is left, the outcome of an earlier refund is known, and the same amount is another one.
    const refund = `refund:${path}:${numberOf(payment)}:${left(payment)}:${amount}`;
    try {
      // The amount is sent even if it is all that is left: this page may be out of date.
      answer = await withPassword(() => api.post(path, { ...fixed, amount }, { headers: { 'idempotency-key': keyOf(refund) }, timeout: TIMEOUT_MS }));
    } catch (error) {
      if (error.isOutage) {
        const title = `We don’t know yet whether ${format(amount, payment.currency)} was refunded.`;
        say(outcome, problem(title, error, { text: 'Send it again with the same amount: it is made only once.' }));
        lost = refund;
        news = notice('plain', title, 'The list below shows the refund if it was made. If it isn’t there in a few minutes, refund the same amount again: it is made only once.');
        return;
      }
      if (!['not_signed_in', 'password_required', 'refund_in_progress'].includes(error.code)) {
        window.localStorage.removeItem(refund);
        if (refund === lost) news = null;
      }
      if (error.status === 401) goToLogin();
      else say(outcome, problem('The refund wasn’t made.', error));
      return;
    }
    window.localStorage.removeItem(refund);
    const { amount: refunded, status } = made(answer);
    const sum = format(refunded, payment.currency);
    news = notice('good', status === 'waiting' ? `${sum} is refunded as soon as the payment has been booked and the payees’ shares have come back. There’s nothing else to do.` : `${sum} refunded. It’s on its way to the ${payer}.`);
    dialog.close();
  }
}

/** What a seller has sold, and what came of it. */

import { api, part } from './api.js';
import { chart } from './chart.js';
import { pagedList } from './list.js';
import { format, parse, toMajor } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { statusLabel } from './status.js';
import { button, byId, date, h, notice, onSubmit, say, table } from './ui.js';

const PAGE = 100;
const COLUMNS = [
  { title: 'Course' },
  { title: 'Date' },
  { title: 'Status' },
  { title: 'Price', number: true },
  { title: 'Platform fee', number: true },
  { title: 'Refunded', number: true },
  { title: 'Your part', number: true },
  { title: 'Actions' },
];
/** Stripe is asked on the way; its slowest answer is worth waiting for. */
const TIMEOUT_MS = 35_000;

let list;
/** What all sales come to, as the API says with the first page. */
let totals = [];

/** Shows the sales and their totals. */
export function sales() {
  let rows;
  prepareRefunds();
  list = pagedList({
    root: byId('sales-list'),
    name: 'sales',
    load: async (cursor) => {
      const answer = await api.get('/sales', { query: { limit: PAGE, cursor }, cache: 'no-store' });
      ({ totals } = answer);
      return answer;
    },
    frame: () => {
      rows = table('My sales', COLUMNS);
      return rows;
    },
    row: (sale) => {
      const money = (amount) => format(amount, sale.currency);
      return rows.row([
        sale.course_title ?? sale.course_id,
        date(sale.paid_at ?? sale.created_at),
        statusLabel(sale.status),
        money(sale.amount),
        money(sale.application_fee),
        sale.refunded ? money(sale.refunded) : '–',
        h('strong', {}, money(sale.net)),
        refundButton(sale),
      ]);
    },
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'Nothing is sold yet. Sales stand here as soon as they are paid, with the platform’s fee and your part.')),
    changed: showTotals,
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
}

function showTotals(sold, complete) {
  const figure = (name, value, main) => h('div', { class: main && 'figure-main' }, h('dt', {}, name), h('dd', {}, value));
  const entries = (currency) => sold.filter((sale) => sale.currency === currency).map((sale) => ({ at: sale.paid_at ?? sale.created_at, amount: sale.net }));
  byId('totals').replaceChildren(
    ...totals.flatMap((sum) => {
      const money = (amount) => format(amount, sum.currency);
      return [
        h(
          'dl',
          { class: 'card figures', 'aria-label': `Totals in ${sum.currency.toUpperCase()}` },
          figure('Your part', money(sum.net), true),
          figure('Sold', `${money(sum.gross)} in ${sum.sales} ${sum.sales === 1 ? 'sale' : 'sales'}`),
          figure('Platform fee', money(sum.application_fee)),
          figure('Refunded', money(sum.refunded)),
          sum.disputed > 0 && figure('Disputed', money(sum.disputed)),
        ),
        entries(sum.currency).length > 0 && chart(`Your part in ${sum.currency.toUpperCase()}`, sum.currency, entries(sum.currency)),
      ].filter(Boolean);
    }),
    ...(complete || sold.length === 0 ? [] : [h('p', { class: 'muted' }, `The chart shows the newest ${sold.length} sales; show more of them below to add theirs.`)]),
  );
}

/** What can still be given back. The API knows for sure. */
const left = (sale) => sale.amount - sale.refunded;

function refundButton(sale) {
  if (!['paid', 'partially_refunded'].includes(sale.status) || left(sale) <= 0) return '–';
  const title = sale.course_title ?? sale.course_id;
  return h('div', { class: 'row-actions' }, button('Refund', () => askForRefund(sale), { class: 'button button-small', 'aria-label': `Refund: ${title}` }));
}

const dialog = byId('refund');
const form = byId('refund-form');
const amountField = form.elements.namedItem('amount');
/** The sale in the dialog, and the name of the request: the same one is the same refund, however often it is sent. */
let asked;

function askForRefund(sale) {
  asked = { sale, key: globalThis.crypto.randomUUID() };
  byId('refund-text').textContent = `“${sale.course_title ?? sale.course_id}”, ${format(sale.amount, sale.currency)}. The buyer gets it back where it came from; your part and the platform’s fee go back in proportion. With all of it the course leaves the buyer’s account.`;
  amountField.value = toMajor(left(sale), sale.currency);
  byId('refund-hint').textContent = `In ${sale.currency.toUpperCase()}, at most ${format(left(sale), sale.currency)}.`;
  say(byId('refund-outcome'), null);
  dialog.showModal();
}

function prepareRefunds() {
  byId('refund-cancel').addEventListener('click', () => dialog.close());
  // Another amount is another refund.
  amountField.addEventListener('input', () => Object.assign(asked, { key: globalThis.crypto.randomUUID() }));
  onSubmit(form, refund);
}

async function refund(values) {
  const { sale, key } = asked;
  const region = byId('refund-outcome');
  say(region, null);
  const { amount, fault } = parse(values.amount, sale.currency);
  if (fault || amount > left(sale)) {
    say(region, notice('bad', 'This amount cannot be given back.', fault ?? `At most ${format(left(sale), sale.currency)} is left.`));
    amountField.focus();
    return;
  }
  try {
    const body = amount === left(sale) ? {} : { amount };
    await api.post(`/purchases/${part(sale.purchase_id)}/refund`, body, { headers: { 'idempotency-key': key }, timeout: TIMEOUT_MS });
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(region, problem('The refund was not made.', error, error.isOutage ? { text: 'Send it again: it is made once, however often it is sent.' } : {}));
    return;
  }
  dialog.close();
  say(byId('sales-outcome'), notice('good', `${format(amount, sale.currency)} is on its way back to the buyer.`));
  await list.reload();
}

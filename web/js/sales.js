/** What a seller has sold, and what came of it: for the seller, and for the staff. */

import { api } from './api.js';
import { chart } from './chart.js';
import { pagedList } from './list.js';
import { format } from './money.js';
import { refundButton } from './refund.js';
import { goToLogin } from './session.js';
import { statusLabel } from './status.js';
import { byId, date, h, notice, say, table } from './ui.js';

const PAGE = 100;

/** How sellers and staff read the same. */
export const MINE = { title: 'My sales', part: 'Your part', inText: 'your part', empty: 'Nothing is sold yet. Sales stand here as soon as they are paid, with the platform’s fee and your part.' };
export const THEIRS = { title: 'Sales', part: 'Seller’s part', inText: 'the seller’s part', empty: 'Nothing was sold.' };

/**
 * Shows sales and their totals.
 *
 * @param {string} path of the API's list
 * @param {{title: string, part: string, inText: string, empty: string}} words
 */
export function sales(path, words) {
  const columns = [
    { title: 'Course' },
    { title: 'Date' },
    { title: 'Status' },
    { title: 'Price', number: true },
    { title: 'Platform fee', number: true },
    { title: 'Refunded', number: true },
    { title: words.part, number: true },
    { title: 'Actions' },
  ];
  let rows;
  /** What all sales come to, as the API says with each page. */
  let totals = [];
  const list = pagedList({
    root: byId('sales-list'),
    name: 'sales',
    load: async (cursor) => {
      const answer = await api.get(path, { query: { limit: PAGE, cursor }, cache: 'no-store' });
      ({ totals } = answer);
      return answer;
    },
    frame: () => {
      rows = table(words.title, columns);
      return rows;
    },
    row: (sale) => {
      const money = (amount) => format(amount, sale.currency);
      const payment = { ...sale, id: sale.purchase_id, title: sale.course_title ?? sale.course_id };
      return rows.row([
        payment.title,
        date(sale.paid_at ?? sale.created_at),
        statusLabel(sale.status),
        money(sale.amount),
        money(sale.application_fee),
        sale.refunded ? money(sale.refunded) : '–',
        h('strong', {}, money(sale.net)),
        refundButton(payment, { part: words.inText, done }),
      ]);
    },
    empty: () => h('div', { class: 'empty' }, h('p', {}, words.empty)),
    changed: (sold, complete) => showTotals(totals, sold, complete, words.part),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });

  async function done(text) {
    say(byId('sales-outcome'), notice('good', text));
    await list.reload();
  }
}

function showTotals(totals, sold, complete, part) {
  const figure = (name, value, main) => h('div', { class: main && 'figure-main' }, h('dt', {}, name), h('dd', {}, value));
  const entries = (currency) => sold.filter((sale) => sale.currency === currency).map((sale) => ({ at: sale.paid_at ?? sale.created_at, amount: sale.net }));
  byId('totals').replaceChildren(
    ...totals.flatMap((sum) => {
      const money = (amount) => format(amount, sum.currency);
      return [
        h(
          'dl',
          { class: 'card figures', 'aria-label': `Totals in ${sum.currency.toUpperCase()}` },
          figure(part, money(sum.net), true),
          figure('Sold', `${money(sum.gross)} in ${sum.sales} ${sum.sales === 1 ? 'sale' : 'sales'}`),
          figure('Platform fee', money(sum.application_fee)),
          figure('Refunded', money(sum.refunded)),
          sum.disputed > 0 && figure('Disputed', money(sum.disputed)),
        ),
        entries(sum.currency).length > 0 && chart(`${part} in ${sum.currency.toUpperCase()}`, sum.currency, entries(sum.currency)),
      ].filter(Boolean);
    }),
    ...(complete || sold.length === 0 ? [] : [h('p', { class: 'muted' }, `The chart shows the newest ${sold.length} sales; show more of them below to add theirs.`)]),
  );
}

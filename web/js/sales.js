/** Sales and their results, for sellers and staff. */

import { api } from './api.js';
import { chart } from './chart.js';
import { pagedList } from './list.js';
import { format } from './money.js';
import { refundButton, shortNumber } from './refund.js';
import { goToLogin } from './session.js';
import { statusLabel } from './status.js';
import { byId, date, h, notice, say, table } from './ui.js';

/** How many sales to request at once for the chart, and how many of them to list. */
const PAGE = 100;
const ROWS = 20;

/** The texts for sellers and for staff. */
export const MINE = { title: 'Sales', part: 'Your share', inText: 'your share', owes: 'You owe', empty: 'No sales yet. They appear here as soon as they are paid.' };
export const THEIRS = { title: 'Sales', part: 'Seller’s share', inText: 'the seller’s share', owes: 'The seller owes', empty: 'No sales yet.' };

/** When a purchase was made, and the end of its order number: buyers may buy the same course within a minute. */
export const stamp = (at, number) => h('div', { class: 'stamp' }, date(at, true), h('span', { class: 'sum muted small', title: number }, `Order ${shortNumber(number)}`));

/**
 * Shows sales and their totals.
 *
 * @param {string} path of the API's list
 * @param {{title: string, part: string, inText: string, owes: string, empty: string}} words
 * @param {() => void} [refunded] is called after a refund
 * @returns {Promise<void>} resolves when they are shown
 */
export function sales(path, words, refunded = () => {}) {
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
  /** The totals of all sales, and what is owed, which the API returns with each page. */
  let totals = [];
  let debts = [];
  /** The sales received, how many of them are listed, and the cursor for more. */
  let sold = [];
  let held = [];
  let next = null;
  const list = pagedList({
    root: byId('sales-list'),
    name: 'sales',
    load: async (cursor, wanted) => {
      const count = Math.max(ROWS, wanted);
      if (cursor === null) [sold, held, next] = [[], [], null];
      if (cursor === null || (held.length < count && next)) {
        const answer = await api.get(path, { query: { limit: PAGE, cursor: next }, cache: 'no-store' });
        ({ totals, debts = [], next_cursor: next } = answer);
        sold.push(...answer.items);
        held.push(...answer.items);
      }
      return { items: held.splice(0, count), next_cursor: held.length > 0 || next ? 'more' : null };
    },
    frame: () => {
      rows = table(words.title, columns);
      return rows;
    },
    row: (sale) => {
      const money = (amount) => format(amount, sale.currency);
      const payment = { ...sale, id: sale.purchase_id, title: sale.course_title ?? sale.course_id };
      return rows.row([
        h('span', { dir: 'auto' }, payment.title),
        stamp(sale.paid_at ?? sale.created_at, sale.purchase_id),
        statusLabel(sale),
        h('div', { class: 'stamp' }, money(sale.amount), sale.settled && h('span', { class: 'sum muted small' }, 'settled as ', format(sale.settled.amount, sale.settled.currency))),
        // The fee that the platform keeps: a refund reduces it in proportion.
        money(sale.application_fee - sale.application_fee_refunded),
        sale.refunded ? money(sale.refunded) : '–',
        h('strong', {}, money(sale.net)),
        refundButton(payment, { part: words.inText, done }),
      ]);
    },
    empty: () => h('div', { class: 'empty' }, h('p', {}, words.empty)),
    changed: () => showTotals({ totals, debts, sold, complete: !next }, words),
    failed: (error) => error.status === 401 && (goToLogin(), true),
    news: byId('sales-outcome'),
  });
  return list.ready;

  async function done(news) {
    say(byId('sales-outcome'), news);
    refunded();
    await list.reload();
  }
}

/** What must be given back of earlier sales, a sum for each currency. */
function owed(debts, owes) {
  if (debts.length === 0) return [];
  const sums = new Map();
  for (const { amount, currency } of debts) sums.set(currency, (sums.get(currency) ?? 0) + amount);
  const list = new Intl.ListFormat(undefined, { type: 'conjunction' }).format([...sums].map(([currency, amount]) => format(amount, currency)));
  return [notice('plain', `${owes} ${list}.`, 'It was transferred for sales that were refunded or disputed since, and couldn’t be taken back yet. It’s taken from the Stripe balance as soon as that suffices.')];
}

/** Whether it has no sales: where sales settle in another currency, this one has only Stripe’s fees. */
const isFeeOnly = (sum) => [sum.sales, sum.gross, sum.application_fee, sum.refunded, sum.disputed, sum.net].every((number) => number === 0);

function showTotals({ totals, debts, sold, complete }, { part, owes }) {
  const figure = (name, value, main) => h('div', { class: main && 'figure-main' }, h('dt', {}, name), h('dd', {}, value));
  const entries = (currency) => sold.filter((sale) => sale.currency === currency).map((sale) => ({ at: sale.paid_at ?? sale.created_at, amount: sale.net }));
  byId('totals').replaceChildren(
    ...owed(debts, owes),
    ...totals.flatMap((sum) => {
      const money = (amount) => format(amount, sum.currency);
      if (isFeeOnly(sum)) return sum.stripe_fee === 0 ? [] : [h('p', { class: 'muted' }, `Stripe’s fees in ${sum.currency.toUpperCase()}: ${money(sum.stripe_fee)}`)];
      // The totals include memberships, which are not in this list.
      const members = complete ? sum.sales - sold.filter((sale) => sale.currency === sum.currency && sale.paid_at).length : 0;
      return [
        h(
          'dl',
          { class: 'card figures', 'aria-label': `Totals in ${sum.currency.toUpperCase()}` },
          figure(part, money(sum.net), true),
          figure('Sold', `${money(sum.gross)} in ${sum.sales} ${sum.sales === 1 ? 'sale' : 'sales'}`),
          members > 0 && figure('Of these, membership payments', String(members)),
          figure('Platform fee', money(sum.application_fee)),
          figure('Refunded', money(sum.refunded)),
          sum.disputed > 0 && figure('Disputed', money(sum.disputed)),
        ),
        entries(sum.currency).length > 0 && chart(`${part} in ${sum.currency.toUpperCase()}`, sum.currency, entries(sum.currency)),
      ].filter(Boolean);
    }),
    ...(complete || sold.length === 0 ? [] : [h('p', { class: 'muted' }, `The chart covers the newest ${sold.length} sales. Show more sales below to extend it.`)]),
  );
}

/** What a seller has sold, and what came of it. */

import { api } from './api.js';
import { pagedList } from './list.js';
import { format, totals } from './money.js';
import { goToLogin } from './session.js';
import { statusLabel } from './status.js';
import { byId, date, h, table } from './ui.js';

const PAGE = 100;
const COLUMNS = [
  { title: 'Course' },
  { title: 'Date' },
  { title: 'Status' },
  { title: 'Price', number: true },
  { title: 'Platform fee', number: true },
  { title: 'Refunded', number: true },
  { title: 'Your part', number: true },
];

/** Shows the sales and their totals. */
export function sales() {
  let rows;
  pagedList({
    root: byId('sales-list'),
    name: 'sales',
    load: (cursor) => api.get('/sales', { query: { limit: PAGE, cursor }, cache: 'no-store' }),
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
      ]);
    },
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'Nothing is sold yet. Sales stand here as soon as they are paid, with the platform’s fee and your part.')),
    changed: showTotals,
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
}

function showTotals(sold, complete) {
  const sums = totals(sold, ['amount', 'application_fee', 'refunded', 'net']);
  const figure = (name, value, main) => h('div', { class: main && 'figure-main' }, h('dt', {}, name), h('dd', {}, value));
  byId('totals').replaceChildren(
    ...sums.map(({ currency, count, amount, application_fee: fee, refunded, net }) =>
      h(
        'dl',
        { class: 'card figures', 'aria-label': `Totals in ${currency.toUpperCase()}` },
        figure('Your part', format(net, currency), true),
        figure('Sold', `${format(amount, currency)} in ${count} ${count === 1 ? 'sale' : 'sales'}`),
        figure('Platform fee, before refunds', format(fee, currency)),
        figure('Refunded', format(refunded, currency)),
      ),
    ),
    ...(complete || sums.length === 0 ? [] : [h('p', { class: 'muted' }, `Totals of the newest ${sold.length} sales; show more of them below to add theirs.`)]),
  );
}

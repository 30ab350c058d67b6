/** A seller's members and their payments per period. */

import { api, part } from './api.js';
import { pagedList } from './list.js';
import { subscriptionLabel } from './membership.js';
import { format } from './money.js';
import { refundButton } from './refund.js';
import { goToLogin } from './session.js';
import { statusLabel } from './status.js';
import { byId, date, h, say, table } from './ui.js';

const COLUMNS = [
  { title: 'Membership' },
  { title: 'Status' },
  { title: 'Paid until' },
  { title: 'Paid', number: true },
  { title: 'Platform fee', number: true },
  { title: 'Refunded', number: true },
  { title: 'Your share', number: true },
  { title: 'Actions' },
];

/** Shows a seller's members: a row for each paid period, and one for a member who hasn't paid yet. Resolves once the first page is there. */
export function members(user) {
  const path = `/sellers/${part(user.id)}/members`;
  let rows;
  const list = pagedList({
    root: byId('member-list'),
    name: 'members',
    load: async (cursor) => {
      const answer = await api.get(path, { query: { limit: 20, cursor }, cache: 'no-store' });
      const periods = answer.items.flatMap((member) => (member.payments.length > 0 ? member.payments : [null]).map((period, at) => ({ member, period, isNewest: at === 0 })));
      return { ...answer, items: periods };
    },
    frame: () => {
      rows = table('Members', COLUMNS);
      return rows;
    },
    row: (line) => rows.row(cells(line)),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'No members yet.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  });
  return list.ready;

  function cells({ member, period, isNewest }) {
    // A member's state is that of today, so it stands at their newest period alone.
    const state = h('div', {}, isNewest ? subscriptionLabel(member) : h('span', { class: 'muted' }, 'Earlier period'), period?.disputed > 0 && [' ', statusLabel({ status: 'disputed' })]);
    const since = h('span', { class: 'sum muted small', title: member.id }, 'Member since ', date(member.created_at));
    const membership = h('div', { class: 'stamp' }, h('span', { dir: 'auto' }, member.title), since);
    if (!period) return [membership, state, '–', '–', '–', '–', '–', '–'];
    const money = (amount) => format(amount, member.currency);
    const payment = {
      id: member.id,
      key: period.invoice,
      title: member.title,
      status: period.refundable > 0 ? 'paid' : 'refunded',
      amount: period.amount,
      refundable: period.refundable,
      currency: member.currency,
    };
    return [
      membership,
      state,
      period.paid_until ? date(period.paid_until) : '–',
      money(period.amount),
      money(period.application_fee),
      period.refunded ? money(period.refunded) : '–',
      h('strong', {}, money(period.net)),
      refundButton(payment, {
        part: 'your share',
        done,
        path: `/subscriptions/${part(member.id)}/refund`,
        body: { invoice: period.invoice },
        made({ payments }) {
          const { refunded, refundable } = payments.find(({ invoice }) => invoice === period.invoice);
          // Before Stripe has booked the payment, nothing is refunded yet.
          return refunded > period.refunded ? { amount: refunded - period.refunded } : { amount: period.refundable - refundable, status: 'waiting' };
        },
        payer: 'member',
        effect: 'After a full refund the member loses what this period paid for. The membership continues.',
      }),
    ];
  }

  async function done(news) {
    say(byId('member-outcome'), news);
    await list.reload();
  }
}

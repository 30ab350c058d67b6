/** The audit log, for staff. */

import { api } from './api.js';
import { pagedList } from './list.js';
import { format } from './money.js';
import { userAddress } from './roles.js';
import { goToLogin } from './session.js';
import { byId, date, h, table } from './ui.js';

const PAGE = 20;
const COLUMNS = [{ title: 'When' }, { title: 'What' }, { title: 'To whom' }, { title: 'By' }];

/** Shows what staff and operators did, newest first. */
export function audit() {
  let rows;
  return pagedList({
    root: byId('audit-list'),
    name: 'entries',
    load: (cursor) => api.get('/admin/audit', { query: { limit: PAGE, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Audit log', COLUMNS);
      return rows;
    },
    row: (entry) =>
      rows.row([
        date(entry.at, true),
        h('div', {}, says(entry), details(entry)),
        person(entry.user_id),
        entry.staff_id ? person(entry.staff_id) : 'An operator’s command',
      ]),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'Nothing yet. What the staff changes about users, courses and refunds is listed here.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
  }).ready;
}

const person = (id) => h('a', { class: 'breakable', href: userAddress(id) }, id);

const money = ({ amount }) => format(amount.amount, amount.currency);

/** The words for each action. */
const WORDS = {
  seller_role: ({ to }) => (to.is_seller ? 'Made a seller' : 'Is no longer a seller'),
  staff_role: ({ to }) => (to.is_staff ? 'Made a staff member' : 'Is no longer a staff member'),
  terms: ({ to }) => (to.terms ? 'Terms set' : 'Terms reset to the platform’s'),
  suspension: ({ to }) => (to.suspended ? 'Suspended' : 'Suspension lifted'),
  application_declined: () => 'Application to sell declined',
  sessions_ended: () => 'All sessions ended',
  page_cleared: () => 'Text and links of the seller’s page removed',
  course_taken_down: ({ to }) => (to.taken_down ? 'Course taken down' : 'Course restored'),
  course_fee: ({ from, to }) => `Course’s fee changed from ${from.fee_percent}% to ${to.fee_percent}%`,
  second_factor_off: () => 'Second factor switched off',
  refund: (entry) => `Refund of ${money(entry)} to the buyer${entry.platform_pays ? ', paid by the platform' : ''}`,
  refund_borne: (entry) => `The platform pays a waiting refund of ${money(entry)}`,
  refund_refused: (entry) => `Stripe refused the refund of ${money(entry)}`,
  dispute_evidence: (entry) => (entry.submitted ? 'Evidence submitted for a dispute' : 'Evidence saved for a dispute, not submitted'),
  dispute_evidence_refused: () => 'Stripe refused the evidence for a dispute',
  membership_refund: (entry) => `Refund of ${money(entry)} to a member`,
  membership_refund_refused: (entry) => `Stripe refused the refund of ${money(entry)} to a member`,
};

const says = (entry) => (Object.hasOwn(WORDS, entry.action) ? WORDS[entry.action](entry) : entry.action);

/** Terms in words. */
function termsIn(terms) {
  if (!terms) return 'the platform’s';
  const amounts = (name, sums) => sums && `${name} ${Object.entries(sums).map(([currency, sum]) => format(sum, currency)).join(', ')}`;
  const facts = [
    terms.charge_type && `${terms.charge_type} charges`,
    terms.fee_percent !== undefined && `${terms.fee_percent}%`,
    amounts('fixed fee', terms.fee_fixed),
    amounts('least fee', terms.fee_minimum),
  ];
  return facts.filter(Boolean).join('; ') || 'the platform’s';
}

/** What it was about, and why. */
function details({ action, code, note, from, to, course_id: course, purchase_id: purchase, subscription_id: subscription, dispute_id: dispute }) {
  const why = (side) => side?.suspended?.reason ?? side?.taken_down?.reason;
  const ids = [code, course, purchase, subscription, dispute].filter(Boolean).map((id) => h('code', {}, id));
  const facts = [note, why(to) ?? why(from), action === 'terms' && `From ${termsIn(from.terms)} to ${termsIn(to.terms)}`, ...ids].filter(Boolean);
  return h('div', { class: 'finding' }, facts.map((fact) => h('span', { class: 'breakable' }, fact)));
}

/** The reconciliation's findings, for staff. */

import { api } from './api.js';
import { pagedList } from './list.js';
import { format } from './money.js';
import { userAddress } from './roles.js';
import { goToLogin } from './session.js';
import { byId, date, h, table } from './ui.js';

const PAGE = 20;
const COLUMNS = [{ title: 'Found' }, { title: 'What' }, { title: 'Status' }, { title: 'Amount', number: true }, { title: 'Buyer' }];

/** Shows the findings, and how many there are. */
export function findings() {
  let rows;
  return pagedList({
    root: byId('finding-list'),
    name: 'findings',
    load: (cursor) => api.get('/admin/findings', { query: { limit: PAGE, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Findings', COLUMNS);
      return rows;
    },
    row: (finding) =>
      rows.row([
        date(finding.found_at, true),
        h('div', {}, sentence(finding.message), details(finding)),
        finding.settled_at ? h('span', { class: 'label label-good' }, 'Resolved') : h('span', { class: 'label label-bad' }, 'Needs attention'),
        amount(finding),
        finding.buyer_id ? h('a', { href: userAddress(finding.buyer_id), 'aria-label': `Buyer of ${finding.purchase_id ?? finding.subscription_id}` }, 'Buyer') : '–',
      ]),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'No findings. Purchases here match the payments at Stripe.')),
    changed: figures,
    failed: (error) => error.status === 401 && (goToLogin(), true),
  }).ready;
}

/** The amounts of a finding. */
function figures(found, complete) {
  const open = found.filter(({ settled_at: at }) => !at);
  const figure = (name, value, main) => h('div', { class: main && 'figure-main' }, h('dt', {}, name), h('dd', {}, value));
  const more = complete ? '' : '+';
  const latest = found.map(({ last_found_at: at }) => at).sort().at(-1);
  byId('figures').replaceChildren(
    h(
      'dl',
      { class: 'card figures', 'aria-label': 'Findings in the last 90 days' },
      figure('Need attention', `${open.length}${more}`, true),
      figure('Resolved', `${found.length - open.length}${more}`),
      figure('Latest', latest ? date(latest, true) : '–'),
    ),
  );
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** What to look up, and where. */
function details(finding) {
  const again = finding.last_found_at !== finding.found_at && ['Last found ', date(finding.last_found_at, true)];
  const facts = [
    finding.reason && h('code', {}, finding.reason),
    finding.stripe_id && h('code', {}, finding.stripe_id),
    finding.account && ['on ', h('code', {}, finding.account)],
    finding.purchase_id && h('code', {}, finding.purchase_id),
    finding.subscription_id && h('code', {}, finding.subscription_id),
    again,
  ].filter(Boolean);
  return h('div', { class: 'finding' }, facts.map((fact) => h('span', { class: 'breakable' }, fact)));
}

function amount({ kind, amount: sum, ours, stripe, currency }) {
  if (sum === null) return '–';
  const money = (value) => (value === null ? 'nothing' : format(value, currency));
  if (ours === null && stripe === null) return money(sum);
  return h('div', {}, h('strong', {}, money(sum)), h('div', { class: 'small muted' }, `${kind === 'books_difference' ? 'here' : 'agreed'} ${money(ours)}, at Stripe ${money(stripe)}`));
}

/** Disputes, for staff: which are to be answered by when, and the evidence. */

import { api, part } from './api.js';
import { pagedList } from './list.js';
import { format } from './money.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { userAddress } from './roles.js';
import { goToLogin } from './session.js';
import { busy, button, byId, confirmed, date, h, notice, say, table } from './ui.js';

const PAGE = 20;
/** Includes requests to Stripe, which may be slow. */
const TIMEOUT_MS = 35_000;
const COLUMNS = [{ title: 'Answer by' }, { title: 'What' }, { title: 'Status' }, { title: 'Amount', number: true }, { title: 'Buyer' }, { title: 'Actions' }];

const STATUS = {
  warning_needs_response: ['bad', 'Inquiry'],
  warning_under_review: ['plain', 'Inquiry answered'],
  warning_closed: ['good', 'Inquiry closed'],
  needs_response: ['bad', 'Disputed'],
  under_review: ['plain', 'With the bank'],
  prevented: ['good', 'Prevented'],
  lost: ['bad', 'Lost'],
  appeal_needs_response: ['bad', 'Lost, can be appealed'],
  appeal_under_review: ['plain', 'Appealed'],
  won: ['good', 'Won'],
};

/** The texts that the form asks for: the name at Stripe, the label, whether it has several lines, and a hint. */
const TEXTS = [
  ['customer_name', 'Buyer’s name'],
  ['customer_email_address', 'Buyer’s email'],
  ['billing_address', 'Buyer’s billing address'],
  ['service_date', 'When the buyer got access'],
  ['product_description', 'What was sold', true],
  ['access_activity_log', 'Proof that the buyer opened it', true, 'Times, and what was opened or downloaded.'],
  ['refund_policy_disclosure', 'How the buyer was shown the refund policy', true],
  ['refund_refusal_explanation', 'Why it isn’t refunded', true],
  ['cancellation_policy_disclosure', 'How the member was shown how to cancel', true],
  ['cancellation_rebuttal', 'Why the membership wasn’t canceled', true],
  ['uncategorized_text', 'Anything else', true],
];

const toAnswer = ({ status, answered_by: by }) => by === 'staff' && ['warning_needs_response', 'needs_response'].includes(status);

const refused = (error) => error.status === 401 && (goToLogin(), true);

/** Shows the open disputes, and below them the decided ones. */
export function disputes() {
  const outcome = byId('dispute-outcome');
  const show = (root, state, empty) => {
    let rows;
    const list = pagedList({
      root: byId(root),
      name: 'disputes',
      load: (cursor) => api.get('/admin/disputes', { query: { state, limit: PAGE, cursor }, cache: 'no-store' }),
      frame: () => {
        rows = table(state === 'open' ? 'Open disputes' : 'Decided disputes', COLUMNS);
        return rows;
      },
      row: (dispute) => rows.row(cells(dispute, done)),
      empty: () => h('div', { class: 'empty' }, h('p', {}, empty)),
      failed: refused,
      news: outcome,
    });
    return list;
  };
  const open = show('dispute-list', 'open', 'There are no open disputes.');
  const closed = show('dispute-closed-list', 'closed', 'No dispute was decided in the last year.');
  return [open.ready, closed.ready];

  async function done(text) {
    say(outcome, notice('good', text));
    await open.reload();
  }
}

function cells(dispute, done) {
  const [tone, status] = STATUS[dispute.status] ?? ['plain', dispute.status];
  return [
    dispute.due_by && dispute.status.endsWith('needs_response') ? date(dispute.due_by, true) : '–',
    h('div', {}, h('bdi', {}, dispute.title), details(dispute)),
    h('div', {}, h('span', { class: `label label-${tone}` }, status), given(dispute)),
    format(dispute.amount.amount, dispute.amount.currency),
    dispute.buyer_id ? h('a', { href: userAddress(dispute.buyer_id), 'aria-label': `Buyer of ${dispute.purchase_id ?? dispute.subscription_id}` }, 'Buyer') : '–',
    toAnswer(dispute)
      ? h('div', { class: 'row-actions' }, button('Answer', () => open(dispute, done), { class: 'button button-small', 'aria-label': `Answer: ${dispute.title}`, 'data-focus': `Answer ${dispute.id}` }))
      : h('span', { class: 'small muted' }, whose(dispute)),
  ];
}

/** Who can do something about it. */
function whose({ answered_by: by, status }) {
  if (!status.endsWith('needs_response')) return '–';
  return by === 'seller' ? 'The seller answers' : 'In the Stripe Dashboard';
}

/** What staff gave here. */
function given({ evidence }) {
  const texts = { unknown: 'Evidence: outcome unknown, send it again', staged: 'Evidence saved, not submitted', submitted: 'Evidence submitted', refused: 'Stripe refused the evidence' };
  return evidence && h('div', { class: 'small muted' }, texts[evidence.state] ?? evidence.state);
}

function details({ id, reason, account, purchase_id: purchase, subscription_id: subscription }) {
  const facts = [reason && reason.replaceAll('_', ' '), h('code', {}, id), account && ['on ', h('code', {}, account)], h('code', {}, purchase ?? subscription)].filter(Boolean);
  return h('div', { class: 'finding' }, facts.map((fact) => h('span', { class: 'breakable' }, fact)));
}

/** Loads the draft, and asks for the evidence. */
async function open(dispute, done) {
  let draft;
  try {
    draft = await api.get(`/admin/disputes/${part(dispute.id)}/evidence`, { cache: 'no-store', timeout: TIMEOUT_MS });
  } catch (error) {
    if (!refused(error)) say(byId('dispute-outcome'), problem('The draft couldn’t be loaded.', error, { retry: () => open(dispute, done) }));
    return;
  }
  const outcome = h('div', { role: 'status' });
  const form = h(
    'form',
    { class: 'form' },
    h('h2', { id: 'evidence-title' }, 'Answer this dispute'),
    h('p', { id: 'evidence-text' }, ['“', h('bdi', {}, dispute.title), `”, ${format(dispute.amount.amount, dispute.amount.currency)}, disputed as ${dispute.reason.replaceAll('_', ' ')}. The bank takes evidence only once`, draft.dispute.due_by && [', until ', date(draft.dispute.due_by, true)], '. Check what we filled in, and add what proves the sale. Files can be added in the Stripe Dashboard, to what is saved here.']),
    TEXTS.map((text) => field(text, draft.evidence)),
    outcome,
    h(
      'div',
      { class: 'actions' },
      button('Cancel', () => dialog.close()),
      button('Save without submitting', (event) => busy(event.currentTarget, () => give(false))),
      h('button', { class: 'button button-danger', type: 'submit' }, 'Submit to the bank'),
    ),
  );
  const dialog = h('dialog', { class: 'dialog dialog-wide', 'aria-labelledby': 'evidence-title', 'aria-describedby': 'evidence-text' }, form);
  dialog.addEventListener('close', () => dialog.remove());
  const submit = form.querySelector('[type=submit]');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    busy(submit, async () => {
      const sure = await confirmed({ title: 'Submit this evidence?', text: 'The bank takes it once. It can’t be changed or completed afterwards.', yes: 'Submit' });
      if (sure) await give(true);
    });
  });
  document.body.append(dialog);
  dialog.showModal();

  async function give(submitted) {
    say(outcome, null);
    const evidence = Object.fromEntries(new FormData(form));
    try {
      await withPassword(() => api.post(`/admin/disputes/${part(dispute.id)}/evidence`, { evidence, submit: submitted }, { timeout: TIMEOUT_MS }));
    } catch (error) {
      if (!refused(error)) say(outcome, problem('The evidence wasn’t taken.', error, error.isOutage ? { text: 'Try again: it is submitted only once, however often you send it.' } : {}));
      return;
    }
    dialog.close();
    await done(submitted ? 'Evidence submitted. The bank decides, which can take two to three months.' : 'Evidence saved at Stripe. It isn’t submitted yet.');
  }
}

function field([name, label, isLong, hint], evidence) {
  const id = `evidence-${name}`;
  const attributes = { id, name, maxlength: '20000', 'aria-describedby': hint && `${id}-hint`, autocomplete: 'off' };
  const input = isLong ? h('textarea', { ...attributes, rows: '3', dir: 'auto' }) : h('input', { ...attributes, type: 'text' });
  input.value = evidence[name] ?? '';
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, hint && h('p', { class: 'hint', id: `${id}-hint` }, hint));
}

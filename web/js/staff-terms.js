/** A seller's individual terms, set by staff. Empty fields mean the platform's settings. */

import { api, part } from './api.js';
import { format, parse, toField } from './money.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, byId, h, notice, onSubmit, say } from './ui.js';

const CHARGE_TYPES = {
  destination: 'Destination: the platform charges and passes on the seller’s share',
  direct: 'Direct: the seller’s own account charges',
  separate: 'Separate: the platform charges, and transfers afterwards',
};

const AUTO = 'by the seller’s account';

const form = byId('terms-form');
const outcome = byId('terms-outcome');
const warning = byId('terms-warning');
const clear = byId('terms-clear');
const field = (name) => form.elements.namedItem(name);

let platform;
/** The amount fields on the page. */
let amounts = {};
let save = async () => {};
let takeAway = async () => {};

onSubmit(form, (values) => save(values));
clear.addEventListener('click', () => busy(clear, () => takeAway()));

/**
 * Shows a seller's terms in a form.
 *
 * @param {object} user
 * @param {(user: object) => void} changed receives the updated user
 */
export async function terms(user, changed) {
  byId('terms').hidden = !user.is_seller && !user.terms;
  try {
    platform ??= await api.get('/config');
  } catch (error) {
    say(outcome, problem('We couldn’t load the platform’s terms.', error, { retry: () => terms(user, changed) }));
    return;
  }
  show(user.terms ?? {});
  warning.replaceChildren(...(user.charges?.ruled_out ? [ruledOut(user.charges.type)] : []));
  clear.hidden = !user.terms;

  save = (values) => {
    const { agreed, fault, culprit } = read(values);
    if (fault) {
      say(outcome, notice('bad', 'These terms can’t be used.', fault));
      culprit.focus();
      return undefined;
    }
    return send(Object.keys(agreed).length > 0 ? agreed : null);
  };
  takeAway = () => send(null);

  async function send(agreed) {
    say(outcome, null);
    try {
      const now = await withPassword(() => api.patch(`/admin/users/${part(user.id)}`, { terms: agreed }));
      changed(now);
      say(outcome, notice('good', now.terms ? 'Terms saved.' : 'The platform’s terms apply to this seller.', 'They apply from the next sale on.'));
      if (!now.terms) field('charge_type').focus();
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(outcome, problem('The terms weren’t changed.', error));
    }
  }
}

function ruledOut(type) {
  return notice(
    'bad',
    `Stripe advises against ${type} charges for this seller.`,
    'Stripe bears the losses of their account, but with these charges the platform pays their refunds and disputes, and is liable for what they can’t pay back. Direct charges fit this account.',
  );
}

function show(own) {
  const name = (type) => CHARGE_TYPES[type] ?? type;
  field('charge_type').replaceChildren(
    h('option', { value: '' }, `Platform default (${platform.charge_type === 'auto' ? AUTO : platform.charge_type})`),
    ...platform.charge_types.map((type) => h('option', { value: type, selected: type === own.charge_type }, name(type))),
  );
  field('fee_percent').value = own.fee_percent ?? '';
  amounts = {
    fee_fixed: amountsField('fee-fixed', 'Fixed fee per sale', platform.fee_fixed, own.fee_fixed),
    fee_minimum: amountsField('fee-minimum', 'Minimum fee per sale', platform.fee_minimum, own.fee_minimum),
  };
  byId('amounts').replaceChildren(...Object.values(amounts).map(({ root }) => root));
}

/** The terms in the form, without empty fields. */
function read(values) {
  const agreed = {};
  if (values.charge_type) agreed.charge_type = values.charge_type;
  if (values.fee_percent !== '') agreed.fee_percent = Number(values.fee_percent);
  for (const [name, { read: readAmounts }] of Object.entries(amounts)) {
    const { value, fault, culprit } = readAmounts();
    if (fault) return { fault, culprit };
    if (value) agreed[name] = value;
  }
  return { agreed };
}

/**
 * Amounts by currency, or the platform's setting.
 *
 * @param {string} id
 * @param {string} title
 * @param {Record<string, number>} everywhere the platform's own
 * @param {Record<string, number>} [own] the seller's
 */
function amountsField(id, title, everywhere, own) {
  const rows = h('div', { hidden: !own });
  const list = h('div', { class: 'amount-list' });
  const add = button('Add a currency', more, { class: 'button button-small', 'aria-label': `Add a currency: ${title}` });
  const check = h('input', { id, type: 'checkbox', checked: Boolean(own), 'aria-describedby': `${id}-hint` });
  check.addEventListener('change', () => {
    rows.hidden = !check.checked;
    if (check.checked && list.children.length === 0) more();
  });
  const written = Object.entries(everywhere).map(([currency, amount]) => format(amount, currency));
  list.append(...Object.entries(own ?? {}).map(([currency, amount]) => row(currency, toField(amount, currency))));
  rows.append(list, add);
  const root = h(
    'fieldset',
    { class: 'fieldset' },
    h('legend', {}, title),
    h('p', { class: 'hint', id: `${id}-hint` }, `Platform default: ${written.length > 0 ? written.join(', ') : 'none'}. Custom fees cover only the currencies you list.`),
    h('div', { class: 'check' }, check, h('label', { for: id }, 'Custom for this seller')),
    rows,
  );

  /** Adds a line for another currency. */
  function more() {
    const named = [...list.querySelectorAll('select')].map((select) => select.value);
    const left = ['usd', ...platform.currencies].filter((code) => platform.currencies.includes(code) && !named.includes(code));
    const line = row(left[0] ?? platform.currencies[0], '');
    list.append(line);
    line.querySelector('input').focus();
  }

  function row(currency, text) {
    const select = h('select', { 'aria-label': `Currency: ${title}` }, platform.currencies.map((code) => h('option', { value: code, selected: code === currency }, code.toUpperCase())));
    const input = h('input', { type: 'text', inputmode: 'decimal', autocomplete: 'off', 'aria-label': `Amount: ${title}`, value: text });
    const remove = button('Remove', () => {
      line.remove();
      add.focus();
    }, { class: 'button button-small', 'aria-label': `Remove: ${title}` });
    const line = h('div', { class: 'amount' }, input, select, remove);
    return line;
  }

  return {
    root,
    read() {
      if (!check.checked) return {};
      const value = {};
      for (const line of list.children) {
        const [input, select] = line.children;
        const currency = select.value;
        if (currency in value) return { fault: `${currency.toUpperCase()} is listed twice.`, culprit: select };
        const { amount, fault } = parse(input.value, currency, { orNothing: true });
        if (fault) return { fault, culprit: input };
        value[currency] = amount;
      }
      return { value };
    },
  };
}

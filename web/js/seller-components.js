/** Stripe's own components on the seller desk. Nothing is loaded from Stripe until the seller opens them. */

import { api } from './api.js';
import { connectJs, listen } from './connect-js.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, byId, h, notice, say } from './ui.js';

/** Includes a request to Stripe, which may be slow. */
const OPTIONS = { timeout: 35_000 };

/** In the order in which they are shown, after the banner. */
const TITLES = {
  account_onboarding: 'Stripe’s form',
  payments: 'Payments and disputes',
  payouts: 'Payouts',
  balances: 'Balances',
  documents: 'Documents',
  account_management: 'Your details',
};

const box = byId('components');
const outcome = byId('components-outcome');

/** The open connection to Stripe. */
let connection = null;

const newSession = () => withPassword(() => api.post('/users/me/stripe/session', {}, OPTIONS));

/**
 * Offers the components of an account, and closes those of another.
 *
 * @param {object|null} account as in `GET /users/me/stripe`, if one is connected
 * @param {() => Promise<void>} reload shows the account's state anew
 */
export function components(account, reload) {
  connection?.logout();
  connection = null;
  say(outcome, null);
  if (!account) {
    box.replaceChildren(h('p', { class: 'muted' }, 'Connect a Stripe account to see it here.'));
    return;
  }
  const open = button('Open here', () => busy(open, () => show(account, reload)), { class: 'button button-main', 'aria-describedby': 'components-text' });
  box.replaceChildren(
    h(
      'div',
      { class: 'card' },
      h('p', { id: 'components-text' }, 'See your payments, disputes, payouts and documents as Stripe has them. Stripe may ask you to log in, in its own window.'),
      h('p', { class: 'muted' }, 'Refunds are under Sales.'),
      h('div', { class: 'actions' }, open),
    ),
  );
}

async function show(account, reload) {
  say(outcome, null);
  try {
    // The first session tells what can be shown, and whether Stripe shows anything at all.
    let next = await newSession();
    const { components: enabled } = next;
    connection = await connectJs(async () => {
      const { client_secret: secret } = next ?? (await newSession());
      next = null;
      return secret;
    });
    const { past_due: late, currently_due: due } = account.requirements;
    const isComplete = account.details_submitted && late.length + due.length === 0;
    const shown = Object.keys(TITLES).filter((name) => enabled.includes(name) && !(name === 'account_onboarding' && isComplete));
    box.replaceChildren(enabled.includes('notification_banner') ? component('notification_banner', 'Stripe’s notices') : '', ...shown.map((name) => fold(name, reload)));
    box.querySelector('summary').focus();
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Your account couldn’t be opened here.', error));
  }
}

function component(name, title) {
  const element = connection.create(name.replaceAll('_', '-'));
  listen(element, 'setOnLoadError', () => say(outcome, notice('bad', `“${title}” couldn’t be loaded.`, 'Try again in a moment, or log in at Stripe.')));
  return element;
}

/** A component that is loaded when it is unfolded for the first time. */
function fold(name, reload) {
  const title = TITLES[name];
  const root = h('details', { class: 'card fold' }, h('summary', {}, title));
  const load = () => {
    const element = component(name, title);
    if (name === 'account_onboarding') {
      listen(element, 'setOnExit', async () => {
        root.open = false;
        root.querySelector('summary').focus();
        await reload();
      });
    }
    root.append(element);
  };
  root.addEventListener('toggle', load, { once: true });
  return root;
}

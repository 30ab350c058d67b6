import { api } from '../api.js';
import { problem } from '../problems.js';
import { requiredSession, showNavigation } from '../session.js';
import { courses } from '../seller-courses.js';
import { sales } from '../seller-sales.js';
import { busy, button, byId, confirmed, h, linkButton, notice, say } from '../ui.js';

const outcome = byId('outcome');

showNavigation();
start();

async function start() {
  try {
    const user = await requiredSession();
    if (!user.is_seller) {
      const text = 'Ask the staff to make you a seller, then come back. What you buy is in your account.';
      say(outcome, notice('plain', 'This desk is for sellers.', text, [linkButton('My account', '/account.html')]));
      return;
    }
    byId('desk').hidden = false;
    stripe(user);
    courses();
    sales();
  } catch (error) {
    say(outcome, problem('We could not find out who you are.', error, { retry: () => window.location.reload() }));
  }
}

/** The linked Stripe account, or the way to one. */
function stripe({ stripe: link }) {
  const box = byId('stripe');
  if (!link.connected) {
    box.replaceChildren(
      h(
        'div',
        { class: 'card' },
        h('h3', {}, 'Connect your Stripe account to get paid'),
        h('p', {}, 'Until then your courses stand in the catalogue, but nobody can buy them. You choose or open an account on Stripe’s own pages.'),
        h('div', { class: 'actions' }, linkButton('Connect Stripe account', '/api/users/authorize', { class: 'button button-main' })),
      ),
    );
    return;
  }
  const disconnect = button('Disconnect', ask);
  const ready = link.charges_enabled && link.scope !== 'read_only';
  box.replaceChildren(
    h(
      'div',
      { class: 'card who' },
      h(
        'div',
        {},
        h('p', {}, h('span', { class: `label label-${ready ? 'good' : 'warn'}` }, ready ? 'Connected' : 'Connected, cannot be paid yet'), ' ', h('code', { class: 'breakable' }, link.account_id)),
        h('p', { class: 'muted' }, advice(link)),
      ),
      disconnect,
    ),
  );

  async function ask() {
    const sure = await confirmed({
      title: 'Disconnect your Stripe account?',
      text: 'Your courses cannot be bought until you connect one again. Your sales and what you have earned stay as they are.',
      yes: 'Disconnect',
    });
    if (sure) await busy(disconnect, leave);
  }

  async function leave() {
    say(outcome, null);
    try {
      await api.delete('/users/me/stripe');
      stripe({ stripe: { connected: false } });
      say(outcome, notice('good', 'Your Stripe account is disconnected.'));
    } catch (error) {
      say(outcome, problem('Your Stripe account is still connected.', error));
    }
  }
}

function advice(link) {
  if (link.scope === 'read_only') return 'You granted access to look only. Disconnect, then connect again with the right to charge.';
  if (!link.charges_enabled) return 'Stripe does not let this account take payments yet. Finish its set-up in your Stripe dashboard.';
  return link.livemode === false ? 'In test mode: no real money moves.' : 'What you sell is paid to this account.';
}

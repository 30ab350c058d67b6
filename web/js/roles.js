/** What a user may do, and changing it: for the staff. */

import { api, part } from './api.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, confirmed, h, notice, say } from './ui.js';

/** @returns {Element[]} a user's roles as labels */
export const roleLabels = (user) =>
  [user.is_staff && ['plain', 'Staff'], user.is_seller && ['good', 'Seller'], ['plain', 'Buyer'], user.terms && ['warn', 'Own terms']]
    .filter(Boolean)
    .map(([tone, text]) => h('span', { class: `label label-${tone}` }, text));

/** The page of one user. */
export const userAddress = (id) => `/staff-user.html?id=${encodeURIComponent(id)}`;

/**
 * A button that makes a seller of a user, or takes it back.
 *
 * @param {object} user
 * @param {object} options
 * @param {Element} options.outcome where news are said
 * @param {(user: object) => void} options.changed is given the user as the API has it now
 */
export function sellerButton(user, { outcome, changed, small = false }) {
  const text = user.is_seller ? 'Unmake seller' : 'Make seller';
  const control = button(text, async () => (await sure()) && busy(control, setSeller), {
    class: small ? 'button button-small' : 'button',
    'aria-label': `${text}: ${user.email}`,
  });
  return control;

  async function sure() {
    if (!user.is_seller) return true;
    return confirmed({
      title: 'Unmake this seller?',
      text: `The courses of ${user.email} can no longer be bought. Nothing of theirs is deleted, and you can make them a seller again.`,
      yes: 'Unmake seller',
    });
  }

  async function setSeller() {
    say(outcome, null);
    try {
      const now = await api.patch(`/admin/users/${part(user.id)}`, { is_seller: !user.is_seller });
      changed(now);
      say(outcome, notice('good', `${now.email} is ${now.is_seller ? 'now a seller' : 'no longer a seller'}.`));
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(outcome, problem(`${user.email} was not changed.`, error));
    }
  }
}

/** A user's roles, and changing them: for staff. */

import { api, part } from './api.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, confirmed, h, notice, say } from './ui.js';

/** @returns {Element[]} a user's roles as labels */
export const roleLabels = (user) =>
  [user.is_staff && ['plain', 'Staff'], user.is_seller && ['good', 'Seller'], ['plain', 'Buyer'], user.terms && ['warn', 'Custom terms']]
    .filter(Boolean)
    .map(([tone, text]) => h('span', { class: `label label-${tone}` }, text));

/** A user's page. */
export const userAddress = (id) => `/staff-user.html?id=${encodeURIComponent(id)}`;

/**
 * A button that removes what a seller wrote on their page.
 *
 * @param {object} user
 * @param {Element} outcome where results are announced
 */
export function clearPageButton(user, outcome) {
  const sure = () =>
    confirmed({ title: 'Clear this seller’s page?', text: `What ${user.email} wrote about themselves and their links are removed for good. The name and the courses stay, and they can write again.`, yes: 'Clear page' });
  const clear = async () => {
    say(outcome, null);
    try {
      await withPassword(() => api.patch(`/admin/users/${part(user.id)}`, { clear_page: true }));
      say(outcome, notice('good', 'The page has no text and no links now.'));
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(outcome, problem('The page wasn’t changed.', error));
    }
  };
  const control = button('Clear page', async () => (await sure()) && busy(control, clear), { 'aria-label': `Clear page: ${user.email}` });
  return control;
}

/**
 * A button that grants or revokes the seller role.
 *
 * @param {object} user
 * @param {object} options
 * @param {Element} options.outcome where results are announced
 * @param {(user: object) => void} options.changed receives the updated user
 */
export function sellerButton(user, { outcome, changed, small = false }) {
  const text = user.is_seller ? 'Remove seller role' : 'Make seller';
  const control = button(text, async () => (await sure()) && busy(control, setSeller), {
    class: small ? 'button button-small' : 'button',
    'aria-label': `${text}: ${user.email}`,
  });
  return control;

  async function sure() {
    if (!user.is_seller) return true;
    return confirmed({
      title: 'Remove the seller role?',
      text: `Nobody can buy the courses of ${user.email} any more. Nothing is deleted, and you can make them a seller again.`,
      yes: 'Remove role',
    });
  }

  async function setSeller() {
    say(outcome, null);
    try {
      const now = await withPassword(() => api.patch(`/admin/users/${part(user.id)}`, { is_seller: !user.is_seller }));
      changed(now);
      say(outcome, notice('good', `${now.email} is ${now.is_seller ? 'now a seller' : 'no longer a seller'}.`));
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(outcome, problem(`${user.email} wasn’t changed.`, error));
    }
  }
}

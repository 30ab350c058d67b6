/** Saved cards next to a course's price: pay with one at once, or save the next one. */

import { api } from './api.js';
import { hasExpired, shortName } from './cards.js';
import { h, onSubmit } from './ui.js';

/** The checkbox to save the card that the buyer will enter at Stripe. It is not ticked by default. */
export const keepCard = () =>
  h(
    'div',
    { class: 'keep-card' },
    h('div', { class: 'check' }, h('input', { id: 'keep-card', type: 'checkbox', 'aria-describedby': 'keep-card-hint' }), h('label', { for: 'keep-card' }, 'Save my card for later')),
    h('p', { class: 'hint', id: 'keep-card-hint' }, 'Stored by Stripe. You can remove it in your account at any time.'),
  );

/**
 * The cards that can pay, the default first. If they cannot be read, they are left out: Stripe's page still works.
 *
 * @returns {Promise<object[]>}
 */
export async function usableCards() {
  try {
    const { items } = await api.get('/users/me/payment-methods', { query: { limit: 20 }, cache: 'no-store' });
    return items.filter((card) => !hasExpired(card)).sort((one, other) => other.is_default - one.is_default);
  } catch {
    return [];
  }
}

/**
 * A form that pays with one of the cards.
 *
 * @param {object[]} cards at least one
 * @param {string} price formatted for people
 * @param {string} title
 * @param {(id: string) => Promise<void>} pay
 */
export function savedCardForm(cards, price, title, pay) {
  const form = h(
    'form',
    { class: 'saved-card', id: 'saved-card-form', 'aria-labelledby': 'saved-card-title' },
    h('h2', { id: 'saved-card-title' }, title),
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'saved-card' }, 'Card'),
      h('select', { id: 'saved-card', name: 'payment_method', 'aria-describedby': 'saved-card-hint' }, cards.map((card) => h('option', { value: card.id }, shortName(card)))),
      h('p', { class: 'hint', id: 'saved-card-hint' }, 'Charged right away. Your bank may ask you to confirm.'),
    ),
    h('button', { class: 'button button-main button-wide', type: 'submit' }, `Pay ${price} now`),
  );
  onSubmit(form, ({ payment_method: id }) => pay(id));
  return form;
}

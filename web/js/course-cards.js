/** Saved cards beside a course's price: pay with one at once, or keep the next one. */

import { api } from './api.js';
import { hasExpired, shortName } from './cards.js';
import { h, onSubmit } from './ui.js';

/** The choice to keep the card that the buyer will type at Stripe. Nothing is ticked before the buyer does it. */
export const keepCard = () =>
  h(
    'div',
    { class: 'keep-card' },
    h('div', { class: 'check' }, h('input', { id: 'keep-card', type: 'checkbox', 'aria-describedby': 'keep-card-hint' }), h('label', { for: 'keep-card' }, 'Keep my card for later')),
    h('p', { class: 'hint', id: 'keep-card-hint' }, 'Stripe keeps it, and you can remove it from your account at any time.'),
  );

/**
 * The cards that can pay, the default first. Nobody misses them where they cannot be read: there is Stripe's page.
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
 * @param {object[]} cards one at least
 * @param {string} price as people read it
 * @param {(id: string) => Promise<void>} pay
 */
export function savedCardForm(cards, price, pay) {
  const form = h(
    'form',
    { class: 'saved-card', id: 'saved-card-form', 'aria-labelledby': 'saved-card-title' },
    h('h2', { id: 'saved-card-title' }, 'Or with a saved card'),
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'saved-card' }, 'Card'),
      h('select', { id: 'saved-card', name: 'payment_method', 'aria-describedby': 'saved-card-hint' }, cards.map((card) => h('option', { value: card.id }, shortName(card)))),
      h('p', { class: 'hint', id: 'saved-card-hint' }, 'It is charged at once, without another page unless your bank asks.'),
    ),
    h('button', { class: 'button button-wide', type: 'submit' }, `Pay ${price} now`),
  );
  onSubmit(form, ({ payment_method: id }) => pay(id));
  return form;
}

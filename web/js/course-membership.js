/** A seller's membership next to a course's price. */

import { api, part } from './api.js';
import { shortName } from './cards.js';
import { usableCards } from './course-cards.js';
import { rate, rates, subscribe } from './membership.js';
import { loginAddress } from './session.js';
import { bdi, h, linkButton, onSubmit } from './ui.js';

/**
 * A form that subscribes to the seller's membership. If the offer cannot be read, it is left out: the course can still be bought.
 *
 * @param {object} course
 * @param {object|null|undefined} user the signed-in user; null if there is none
 * @param {(box: Element) => void} told receives the notice with the result
 * @returns {Promise<Element|null>} null if there is nothing to offer
 */
export async function membershipForm(course, user, told) {
  let offer;
  let cards;
  try {
    offer = await api.get(`/sellers/${part(course.seller.id)}/membership`, { cache: 'no-store' });
    if (!offer.offered) return null;
    cards = user ? await usableCards() : [];
  } catch {
    return null;
  }
  const head = [h('h2', { id: 'membership-title' }, 'Membership: ', bdi(offer.title)), h('p', { class: 'muted' }, 'Or get access to all of this teacher’s courses with a membership.')];
  const box = (...children) => h('section', { class: 'saved-card', id: 'membership', 'aria-labelledby': 'membership-title' }, head, children);
  const prices = rates(offer);
  if (!offer.available) return box(h('p', {}, 'Nobody can join right now. Please check back later.'));
  if (user === null) {
    const text = prices.map(({ interval, amount }) => rate(amount, offer.currency, interval)).join(', or ');
    return box(h('p', {}, text), linkButton('Log in to join', loginAddress(), { class: 'button button-wide' }));
  }
  const field = (id, label, options) => h('div', { class: 'field' }, h('label', { for: id }, label), h('select', { id, name: id }, options));
  const form = h(
    'form',
    { id: 'membership-form' },
    field(
      'membership-interval',
      'Membership',
      prices.map(({ interval, amount }) => h('option', { value: interval }, rate(amount, offer.currency, interval))),
    ),
    cards.length > 0 &&
      field('membership-card', 'Pay with', [cards.map((card) => h('option', { value: card.id }, shortName(card))), h('option', { value: '' }, 'Stripe’s page')]),
    h('p', { class: 'hint' }, 'Renews automatically. Cancel anytime in your account.'),
    h('button', { class: 'button button-wide', type: 'submit' }, 'Join'),
  );
  onSubmit(form, async (values) => {
    const chosen = prices.find(({ interval }) => interval === values['membership-interval']);
    told(await subscribe(course, { ...chosen, currency: offer.currency }, values['membership-card'] || undefined));
  });
  return box(form);
}

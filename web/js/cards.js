/** Describes saved cards. */

const BRANDS = {
  amex: 'Amex',
  diners: 'Diners Club',
  discover: 'Discover',
  eftpos_au: 'eftpos',
  jcb: 'JCB',
  mastercard: 'Mastercard',
  unionpay: 'UnionPay',
  visa: 'Visa',
};

/** @returns {string} such as "Visa ending in 4242" */
export const cardName = (card) => `${BRANDS[card.brand] ?? 'Card'} ending in ${card.last4}`;

/** @returns {string} such as "Visa 4242, 12/30": for little space; two cards may differ only in the date */
export const shortName = (card) => `${BRANDS[card.brand] ?? 'Card'} ${card.last4}, ${expiry(card).replace('/20', '/')}`;

/** @returns {string} such as "12/2030", as printed on the card */
export const expiry = (card) => `${String(card.exp_month).padStart(2, '0')}/${card.exp_year}`;

/** Whether the card has expired. It is valid until the end of its month. */
export const hasExpired = (card, now = new Date()) => new Date(card.exp_year, card.exp_month) <= now;

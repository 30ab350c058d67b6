/** The currencies that a price can be in, to choose from. */

import { api } from './api.js';
import { h } from './ui.js';

/** Where the API does not say which it takes. */
const USUAL = ['usd', 'eur', 'gbp', 'jpy'];

let taken;

/**
 * Fills a list with what the API takes. What is chosen stays; dollars are where nothing is.
 *
 * @param {HTMLSelectElement} select
 * @param {string} [also] a code that must be among them
 */
export async function offerCurrencies(select, also) {
  taken ??= await api.get('/config').then((config) => config.currencies, () => undefined);
  const codes = new Set(taken ?? USUAL);
  if (also) codes.add(also);
  const names = new Intl.DisplayNames(undefined, { type: 'currency' });
  const chosen = select.value || 'usd';
  select.replaceChildren(
    ...[...codes].sort().map((code) => h('option', { value: code, selected: code === chosen }, `${code.toUpperCase()} – ${names.of(code.toUpperCase())}`)),
  );
}

/** The currencies for prices. */

import { platform } from './stripe-js.js';
import { h } from './ui.js';

/** Used if the API does not list its currencies. */
const USUAL = ['usd', 'eur', 'gbp', 'jpy'];

let rules = {};

/** @returns {number} the smallest amount that can be charged, in the minor unit, as far as the API has reported it */
export const leastPrice = (currency) => rules[currency]?.minimum ?? 1;

/**
 * Fills a select with the API's currencies. The selection is kept; the default is US dollars.
 *
 * @param {HTMLSelectElement} select
 * @param {string} [also] a code that must be included
 */
export async function offerCurrencies(select, also) {
  const config = await platform().catch(() => null);
  rules = config?.currency_rules ?? {};
  const codes = new Set(config?.currencies ?? USUAL);
  if (also) codes.add(also);
  const names = new Intl.DisplayNames(undefined, { type: 'currency' });
  const chosen = select.value || 'usd';
  select.replaceChildren(
    ...[...codes].sort().map((code) => h('option', { value: code, selected: code === chosen }, `${code.toUpperCase()} – ${names.of(code.toUpperCase())}`)),
  );
}

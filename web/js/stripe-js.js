/** Loads Stripe.js from Stripe's own origin, and only if it can work. https://docs.stripe.com/js */

import { api } from './api.js';

const ADDRESS = 'https://js.stripe.com/clover/stripe.js';
/** Keys of the real Stripe are longer than the stand-in's. */
const KEY = /^pk_(test|live)_[A-Za-z0-9]{20,}$/;

let settings;

/** The platform's public settings. One request per page, unless it fails. */
export function platform() {
  settings ??= api.get('/config').catch((error) => {
    settings = undefined;
    throw error;
  });
  return settings;
}

/** The publishable key of the real Stripe, or null if there is none. */
export async function publishableKey() {
  const { publishable_key: key } = await platform();
  return KEY.test(key) ? key : null;
}

/**
 * Loads Stripe.js. Only the payment page's Content-Security-Policy allows it.
 *
 * @returns {Promise<(key: string, options?: {stripeAccount?: string}) => object>} creates a Stripe object
 */
export function stripeJs() {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = ADDRESS;
    script.onload = () => (globalThis.Stripe ? resolve(globalThis.Stripe) : reject(new Error('Stripe.js did not start')));
    script.onerror = () => reject(new Error('Stripe.js could not be loaded'));
    document.head.append(script);
  });
}

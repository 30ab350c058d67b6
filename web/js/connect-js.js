/** Loads Connect.js, which shows Stripe's components. https://docs.stripe.com/connect/get-started-connect-embedded-components */

import { platform, publishableKey } from './stripe-js.js';

const ADDRESS = 'https://connect-js.stripe.com/v1.0/connect.js';
/** The stand-in's own script, which the local server passes on. */
const STAND_IN = { key: 'pk_test_local', address: '/stripe-stand-in/v1.0/connect.js' };

let loaded;

/** Only the seller desk's Content-Security-Policy allows it. */
function load(address) {
  loaded ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = address;
    script.onload = () => (globalThis.StripeConnect?.init ? resolve(globalThis.StripeConnect) : reject(new Error('Connect.js did not start')));
    script.onerror = () => {
      loaded = undefined;
      reject(new Error('Connect.js could not be loaded'));
    };
    document.head.append(script);
  });
  return loaded;
}

/** The components are in Stripe's frames, so they get the page's colours by value. */
function appearance() {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return {
    overlays: 'dialog',
    variables: { colorPrimary: colour('--accent'), colorBackground: colour('--surface'), colorText: colour('--ink'), colorDanger: colour('--bad'), borderRadius: '8px' },
  };
}

/**
 * Connects to Stripe, with the real one's key or the stand-in's.
 *
 * @param {() => Promise<string>} fetchClientSecret a new secret each time, because each is used once
 * @returns {Promise<{create: (name: string) => HTMLElement, logout: () => Promise<void>}>}
 */
export async function connectJs(fetchClientSecret) {
  const { publishable_key: given } = await platform();
  const isStandIn = given === STAND_IN.key;
  const key = isStandIn ? given : await publishableKey();
  if (!key) throw new Error('there is no key for Connect.js');
  const stripeConnect = await load(isStandIn ? STAND_IN.address : ADDRESS);
  return stripeConnect.init({ publishableKey: key, fetchClientSecret, appearance: appearance() });
}

/**
 * Sets a listener of a component. Stripe's package adds the documented name to the name that the element has without it.
 * https://github.com/stripe/connect-js/blob/main/ga/src/init.ts
 */
export function listen(component, setter, listener) {
  const set = component[setter] ?? component[`${setter}InternalOnly`];
  set?.call(component, listener);
}

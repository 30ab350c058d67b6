/** What to tell people about an error: what happened, in a sentence, and what to do about it. */

import { button, h, notice } from './ui.js';

const SENTENCES = {
  network: 'We could not reach the server. Check your connection and try again.',
  timeout: 'The server took too long to answer. Try again in a moment.',
  unexpected_answer: 'The server answered in a way that we do not understand. Try again in a moment.',
  not_signed_in: 'Your session has ended. Log in again to go on.',
  bad_credentials: 'The e-mail or the password is not right. Check both and try again.',
  throttled: 'There were too many failed tries. Wait a few minutes, then try again.',
  email_taken: 'An account with this e-mail exists already. Log in, or use another address.',
  forbidden: 'Your account may not do this.',
  not_a_seller: 'Only sellers can do this. Ask the staff to make you a seller.',
  not_found: 'It is not here any more.',
  slug_taken: 'Another course has this address already. Choose a different one.',
  conflict: 'It was changed somewhere else at the same moment. Reload the page and try again.',
  bad_cursor: 'This list has moved on. Reload the page to see it from the start.',
  already_linked: 'A Stripe account is linked already. Disconnect it first.',
  account_taken: 'This Stripe account belongs to another seller here. Connect a different one.',
  link_gone: 'The link was used already, or it has expired. Ask for a new one.',
  already_connected: 'You have another Stripe account here already. Disconnect it first, or finish that one.',
  not_connected: 'There is no Stripe account connected any more. Reload the page.',
  no_express_dashboard: 'This kind of account has no such dashboard: log in at Stripe itself.',
  onboarding_unfinished: 'Finish Stripe’s form first.',
  still_connected: 'Disconnect your Stripe account at the seller desk first.',
  still_subscribed: 'Cancel your memberships first, and wait until the last of them has ended.',
  already_refunded: 'All of it was given back already.',
  refund_in_progress: 'Another refund of this sale is on its way. Look again in a moment.',
  refund_refused: 'Stripe refused the refund. Look at the payment in your Stripe dashboard.',
  refund_too_large: 'That is more than is left of the payment.',
  purchase_disputed: 'The buyer’s bank disputes this payment: it is decided there, not by a refund.',
  not_paid: 'This purchase was not paid.',
  access_suspended: 'Your bank disputes the payment. The content comes back when that is decided for the payment.',
  not_owned: 'The content is for those who bought the course.',
  confirmation_gone: 'This confirmation has expired. Start connecting again.',
};

/** @returns {string} a sentence about the error */
export function sentence(error) {
  const known = SENTENCES[error.code];
  if (known) return known;
  if (!error.status) return 'Something on this page went wrong. Reload it and try again.';
  if (error.status >= 500) return 'The server has a problem at the moment. Try again in a little while.';
  if (!error.detail) return 'The server did not accept this. Reload the page and try again.';
  const text = error.detail.charAt(0).toUpperCase() + error.detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/**
 * A notice about an error.
 *
 * @param {string} title what did not work
 * @param {Error} error
 * @param {{retry?: () => void, text?: string, actions?: Node[]}} [options]
 */
export function problem(title, error, { retry, text = sentence(error), actions = [] } = {}) {
  const reference = error.isOutage && error.requestId ? h('small', { class: 'reference' }, ` Reference: ${error.requestId}`) : null;
  return notice('bad', title, [text, reference], [...(retry ? [button('Try again', retry)] : []), ...actions]);
}

/** Messages for errors: what happened, and what to do about it. */

import { button, h, notice } from './ui.js';

const SENTENCES = {
  network: 'We couldn’t reach the server. Check your connection and try again.',
  timeout: 'The server took too long to answer. Try again in a moment.',
  unexpected_answer: 'Something went wrong on our side. Try again in a moment.',
  internal: 'Something went wrong on our side. Try again in a moment.',
  payment_provider_error: 'Stripe couldn’t do this right now. Try again in a moment.',
  payment_provider_timeout: 'Stripe took too long to answer. Try again in a moment.',
  payment_provider_unavailable: 'Stripe can’t be reached right now. Try again in a moment.',
  not_signed_in: 'Your session has ended. Log in again to continue.',
  bad_credentials: 'The email or password is incorrect. Check both and try again.',
  password_required: 'Enter your password to do this.',
  second_factor_required: 'Enter the code from your authenticator app to do this.',
  second_factor_wrong: 'That code isn’t right, or was used before. Try the next one that your app shows.',
  second_factor_on: 'Your second factor is already on. Reload the page.',
  second_factor_required_for_staff: 'Staff need a second factor. Set one up in your account’s settings first.',
  throttled: 'Too many failed attempts. Wait a few minutes, then try again.',
  account_suspended: 'This account is suspended. Contact the staff.',
  too_many_sign_ups: 'Too many people signed up from here. Try again in a quarter of an hour.',
  too_many_mails: 'Too many emails were asked for. Try again in a quarter of an hour.',
  too_many_cards: 'Too many cards were tried. Pay on Stripe’s page now, or try again later.',
  email_not_confirmed: 'Confirm your email address first: follow the link in our email.',
  challenge_wanted: 'This form is closed after so many declined cards. Pay on Stripe’s page instead.',
  card_declined: 'Your card was declined. Try another card, or ask your bank.',
  card_in_use: 'One of your memberships uses this card.',
  payment_method_refused: 'This card can’t be used. Choose another one.',
  terms_not_accepted: 'The terms of use must be accepted first. Reload the page to read those that hold now.',
  fee_is_the_platforms: 'Only the staff can change the platform fee.',
  not_sellable: 'Your Stripe account can’t be charged for this. A membership needs an account that takes card payments: sell your courses one by one, connect another account, or ask the staff.',
  sales_not_shareable: 'Your sales go through your own Stripe account, so they can’t be shared. Ask the staff to change that.',
  email_taken: 'An account with this email already exists. Log in, or use another address.',
  forbidden: 'Your account isn’t allowed to do this.',
  foreign_origin: 'This page isn’t allowed to do that. Open the site at its own address and try again.',
  not_a_seller: 'Only sellers can do this. Ask the staff to make you a seller.',
  already_seller: 'You’re a seller already. Reload the page.',
  too_many_applications: 'Your last application was declined less than a week ago.',
  application_waiting: 'Your application is already waiting for the staff.',
  not_found: 'It’s no longer here.',
  slug_taken: 'Another course already uses this address. Choose a different one.',
  handle_taken: 'Another teacher has, or had, this address. Choose a different one.',
  conflict: 'It was changed somewhere else at the same moment. Reload the page and try again.',
  bad_cursor: 'This list has changed. Reload the page to see it from the start.',
  already_linked: 'A Stripe account is already connected. Disconnect it first.',
  account_taken: 'This Stripe account belongs to another seller here. Connect a different one.',
  link_gone: 'The link was already used or has expired. Request a new one.',
  already_connected: 'You already have another Stripe account here. Disconnect it first, or finish setting it up.',
  accounts_refused: 'New Stripe accounts can’t be set up here at the moment. The staff know, so try again later, or connect an account you already have.',
  too_many_accounts: 'Too many Stripe accounts of this kind have been set up for you. Choose the country of the latest one to continue with it, or ask the staff.',
  not_connected: 'No Stripe account is connected any more. Reload the page.',
  no_express_dashboard: 'This kind of account has no dashboard here. Log in at Stripe instead.',
  onboarding_unfinished: 'Finish Stripe’s form first.',
  components_refused: 'Stripe doesn’t show this account on other sites. Log in at Stripe instead.',
  debts_open: 'Your Stripe account owes money from refunds or disputes. Continue with it until that is settled, or ask the staff.',
  still_connected: 'Disconnect your Stripe account in the seller desk’s settings first.',
  still_subscribed: 'Cancel your memberships first, and wait until the last one has ended.',
  own_course: 'This is your own course.',
  own_membership: 'This is your own membership.',
  already_owned: 'You already own this course.',
  already_subscribed: 'You’re already a member.',
  price_changed: 'The price has changed since you opened this page.',
  price_too_low: 'This isn’t on sale right now.',
  seller_not_connected: 'The seller’s Stripe account can’t be used right now.',
  seller_capability_missing: 'The seller’s Stripe account can’t be used right now.',
  payments_in_progress: 'People are paying you right now, or a payment or refund isn’t finished yet. Try again later.',
  payment_processing: 'Your payment is on its way. Your bank takes a few days to process it.',
  purchase_in_progress: 'You’re already buying this. Finish in the other window, or try again in two minutes.',
  subscription_in_progress: 'You’re already joining. Finish in the other window, or try again in two minutes.',
  subscription_not_running: 'This membership has ended or is about to.',
  subscription_past_due: 'Pay the amount due first.',
  interval_not_offered: 'This isn’t offered any more. Reload the page to see what is.',
  already_refunded: 'This sale has already been refunded in full.',
  refund_in_progress: 'Another refund of this sale is under way. Check again in a moment.',
  refund_refused: 'Stripe refused the refund. Check the payment in your Stripe dashboard.',
  refund_too_large: 'That’s more than is left of the payment.',
  refund_too_small: 'That’s less than Stripe can refund. Refund a larger part, or all that is left.',
  too_many_refunds: 'This sale has been refunded in too many parts already. Ask the staff to refund the rest.',
  refund_limit_reached: 'You’ve reached today’s limit for refunds. Continue tomorrow, or ask the staff.',
  other_charges: 'The teacher has added other charges to your payments, so this would cost something else. Ask the teacher to remove them, or cancel.',
  period_refunded: 'Part of this period was refunded or is disputed. You can switch when the period is over.',
  dispute_is_the_sellers: 'The payment was made on the seller’s own Stripe account, so the seller answers.',
  dispute_not_answerable: 'The bank takes no evidence here: the dispute is decided, or it’s an appeal, which is made in the Stripe Dashboard.',
  dispute_past_due: 'The day by which to answer has passed.',
  evidence_submitted: 'Evidence was submitted already. The bank takes it only once.',
  evidence_refused: 'Stripe refused the evidence. Check the dispute in the Stripe Dashboard.',
  refund_by_staff: 'An earlier refund came back, so only the staff can refund this payment.',
  purchase_disputed: 'The buyer’s bank disputes this payment. The dispute decides, not a refund.',
  not_paid: 'This purchase wasn’t paid.',
  access_suspended: 'Your bank disputes the payment. You get access back once that is settled in the teacher’s favor.',
  not_owned: 'Buy the course to see its content.',
  confirmation_gone: 'This confirmation has expired. Start connecting again.',
  password_too_weak: 'This password is too easy to guess. Use a longer or less common one.',
  invalid_request: 'Something you entered can’t be used. Check the form and try again.',
  malformed_json: 'Something went wrong on this page. Reload it and try again.',
  unsupported_media_type: 'Something went wrong on this page. Reload it and try again.',
  method_not_allowed: 'Something went wrong on this page. Reload it and try again.',
  bad_signature: 'Something went wrong on this page. Reload it and try again.',
  body_too_large: 'The text is too long. Shorten it and try again.',
};

/** @returns {string} a number of seconds in the largest unit that fits, rounded up */
function time(seconds) {
  const [size, unit] = [[3600, 'hour'], [60, 'minute'], [1, 'second']].find(([size]) => seconds >= size);
  const count = Math.ceil(seconds / size);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** @returns {string} a sentence about the error. The API's own texts are for developers, and never shown. */
export function sentence(error) {
  if (error.code === 'too_many_cards' && error.retryAfter > 0) return `Too many cards were tried. Pay on Stripe’s page now, or try again in ${time(error.retryAfter)}.`;
  if (Object.hasOwn(SENTENCES, error.code ?? '')) return SENTENCES[error.code];
  if (!error.status) return 'Something went wrong on this page. Reload it and try again.';
  if (error.status >= 500) return 'The server has a problem right now. Try again in a little while.';
  if (error.status === 429) return 'Too many requests. Wait a moment and try again.';
  return 'That didn’t work. Check what you entered, or reload the page and try again.';
}

/**
 * A notice about an error.
 *
 * @param {string} title what failed
 * @param {Error} error
 * @param {{retry?: () => void, text?: string, actions?: Node[]}} [options]
 */
export function problem(title, error, { retry, text = sentence(error), actions = [] } = {}) {
  const reference = error.isOutage && error.requestId ? h('small', { class: 'reference' }, ` Reference: ${error.requestId}`) : null;
  return notice('bad', title, [text, reference], [...(retry ? [button('Try again', retry)] : []), ...actions]);
}

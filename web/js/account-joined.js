/** The return from Stripe's page after joining a membership: waits until the API knows the result, and links to the courses. */

import { api, part } from './api.js';
import { joinedFrom } from './membership.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { waitFor } from './waiting.js';
import { button, byId, courseAddress, h, linkButton, notice, say } from './ui.js';

const outcome = byId('joined');

/**
 * Removes the marker from the URL, so that a reload is not a new visit.
 *
 * @returns {string} the subscription, `canceled`, or nothing
 */
export function takeVisit() {
  const visit = new URLSearchParams(window.location.search).get('subscription') ?? '';
  if (visit) window.history.replaceState(null, '', `${window.location.pathname}#library`);
  return visit;
}

/**
 * Shows whether joining succeeded. The URL proves nothing; the API knows.
 *
 * @param {string} visit as {@link takeVisit} returned it
 * @param {() => void} joined is called once the membership is active
 */
export function welcomeMember(visit, joined) {
  if (!visit) return;
  if (visit === 'canceled') {
    say(outcome, notice('plain', 'You left the payment page.', 'You haven’t been charged. You can join whenever you like.'));
    return;
  }
  const wait = waitFor({
    ask: () => api.get(`/subscriptions/${part(visit)}`, { cache: 'no-store' }),
    isSettled: ({ status }) => status !== 'pending',
    heard(subscription, { isLast }) {
      show(subscription, isLast, wait);
      if (subscription.status === 'active') joined();
    },
    failed(error) {
      if (error.status === 401) goToLogin();
      else if (error.status === 404) say(outcome, notice('plain', 'We couldn’t find this membership in your account.', 'It may belong to another account of yours.'));
      else say(outcome, problem('We couldn’t check your membership.', error, { text: 'Your payment isn’t affected. We’ll keep trying.', retry: () => wait.again() }));
    },
  });
  show({ status: 'pending' }, false, wait);
  wait.begin();
}

function show({ status, title, failure }, isLast, wait) {
  outcome.dataset.status = status;
  switch (status) {
    case 'pending':
      if (isLast) say(outcome, notice('plain', 'We haven’t heard from Stripe yet.', 'Your membership appears here as soon as Stripe confirms it. You can close this page.', [button('Check again', () => wait.again())]));
      else if (!outcome.querySelector('.spinner')) say(outcome, notice('plain', [h('span', { class: 'spinner', 'aria-hidden': 'true' }), ' Setting up your membership…'], 'This usually takes a few seconds.'));
      break;
    case 'active': {
      const from = joinedFrom();
      const course = from && linkButton(h('span', {}, 'Continue to ', h('bdi', {}, from.title)), courseAddress(from.id), { class: 'button button-main' });
      say(outcome, notice('good', 'You’re a member.', ['“', h('bdi', {}, title), '” is active, and its courses are open to you.'], [course || linkButton('See your courses', '#opened', { class: 'button button-main' })]));
      break;
    }
    case 'incomplete':
      say(outcome, notice('plain', 'Your bank needs you to confirm the payment.', 'You haven’t been charged yet. Join again and choose Stripe’s page, where you can confirm it.', [linkButton('Browse courses', '/')]));
      break;
    case 'past_due':
      say(outcome, notice('bad', 'Your payment is due.', 'The payment for this membership didn’t go through.', [linkButton('Go to billing', '#memberships')]));
      break;
    default:
      say(outcome, notice('bad', 'You didn’t become a member.', failure ? 'The payment didn’t go through, and you haven’t been charged.' : 'You haven’t been charged.', [linkButton('Browse courses', '/')]));
  }
}

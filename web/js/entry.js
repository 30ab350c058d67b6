/** Shared by log-in and sign-up. */

import { api } from './api.js';
import { withCode } from './code.js';
import { problem } from './problems.js';
import { here, localAddress, markSignedIn, session, showNavigation } from './session.js';
import { button, byId, h, linkButton, notice, onSubmit, say } from './ui.js';

const query = new URLSearchParams(window.location.search);
const next = query.get('next');
/** The seller's ways to Stripe, which are not pages of this site. */
const CONNECT = { authorize: '/api/users/authorize', 'authorize-express': '/api/users/authorize?type=express' };
const connects = Object.hasOwn(CONNECT, next ?? '');
/** The session is too old for this, so it takes another log-in. */
const again = query.has('again');

/** Where to continue. */
function destination(user) {
  if (!connects) return localAddress(next);
  return user.is_seller ? CONNECT[next] : '/?connect=error&reason=not_a_seller';
}

function explainWhy() {
  const reason = byId('reason');
  if (!reason || !next) return;
  if (connects && again) reason.textContent = 'You’ve been logged in for a while. Enter your password again to connect your Stripe account.';
  else if (connects) reason.textContent = 'Log in as the seller whose Stripe account you’re connecting.';
  else if (/^\/(course\.html|courses\/)/.test(next)) reason.textContent = 'Log in to buy this course. You’ll come straight back to it.';
  else if (next !== '/') reason.textContent = 'Log in to see this page.';
  reason.hidden = !reason.textContent;
}

/** Tells users who are already logged in, but does not redirect them. */
async function greet() {
  const user = await session().catch(() => null);
  if (!user) return;
  if (again) {
    byId('email').value ||= user.email;
    byId('password').focus();
    return;
  }
  const form = byId('form');
  const other = button('Use another account', () => {
    say(byId('outcome'), null);
    form.hidden = false;
    form.querySelector('input').focus();
  });
  form.hidden = true;
  say(byId('outcome'), notice('plain', 'You’re already logged in.', ['As ', h('strong', {}, user.email), '.'], [linkButton('Continue', destination(user), { class: 'button button-main' }), other]));
}

/**
 * Connects the page's form.
 *
 * @param {string} path the API's path that accepts the e-mail and the password
 * @param {string} failure the title of the notice about an error
 * @param {string} otherPage the URL of the other page
 * @param {(error: Error) => void} [failed] is told of errors
 * @param {Record<string, string>} [texts] sentences of this form by the error's code
 */
export function entry(path, failure, otherPage, failed, texts = {}) {
  showNavigation();
  explainWhy();
  greet();
  const other = byId('other');
  if (next) other.href = `${otherPage}?next=${encodeURIComponent(next)}`;
  other.parentElement.hidden = false;
  onSubmit(byId('form'), async ({ email, password, ...more }) => {
    say(byId('outcome'), null);
    try {
      const { user } = await withCode((code) => api.post(path, { email: email.trim(), password, code, ...more }));
      markSignedIn();
      window.location.assign(destination(user));
      await new Promise(() => {});
    } catch (error) {
      say(byId('outcome'), problem(failure, error, { text: texts[error.code] }));
      failed?.(error);
      const field = byId(['email_taken', 'invalid_request'].includes(error.code) ? 'email' : 'password');
      field.focus();
      field.select();
    }
  });
  // The browser may restore this page when the user comes back to it.
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) window.location.replace(here());
  });
}

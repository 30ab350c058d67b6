import { api } from '../api.js';
import { takeToken } from '../mailed.js';
import { problem } from '../problems.js';
import { markSignedOut, showNavigation } from '../session.js';
import { byId, linkButton, notice, onSubmit, say } from '../ui.js';

const outcome = byId('outcome');
const form = byId('form');
const again = () => [linkButton('Request a new link', '/forgot.html')];
let token = takeToken();

// The mail's link was opened while this page was already open.
window.addEventListener('hashchange', () => {
  token = takeToken() || token;
  start();
});
showNavigation();
onSubmit(form, set);
start();

function start() {
  form.hidden = !token;
  say(outcome, token ? null : notice('plain', 'Open this page from our email.', 'Request a link, then follow it.', again()));
}

async function set({ password }) {
  say(outcome, null);
  try {
    await api.put('/password-resets', { token, password });
    markSignedOut();
    form.hidden = true;
    say(outcome, notice('good', 'Your new password is set.', 'You’ve been logged out everywhere. Log in with the new password.', [linkButton('Log in', '/login.html', { class: 'button button-main' })]));
  } catch (error) {
    const gone = error.code === 'link_gone';
    form.hidden = gone;
    say(outcome, problem('Your password wasn’t changed.', error, { actions: gone ? again() : [] }));
  }
}

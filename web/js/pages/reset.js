import { api } from '../api.js';
import { takeToken } from '../mailed.js';
import { problem } from '../problems.js';
import { markSignedOut, showNavigation } from '../session.js';
import { byId, linkButton, notice, onSubmit, say } from '../ui.js';

const outcome = byId('outcome');
const form = byId('form');
const again = () => [linkButton('Ask for a new mail', '/forgot.html')];
let token = takeToken();

// The mail's link, pressed while this page is open.
window.addEventListener('hashchange', () => {
  token = takeToken() || token;
  start();
});
showNavigation();
onSubmit(form, set);
start();

function start() {
  form.hidden = !token;
  say(outcome, token ? null : notice('plain', 'This page is opened from a mail.', 'Ask for one, then press the link in it.', again()));
}

async function set({ password }) {
  say(outcome, null);
  try {
    await api.put('/password-resets', { token, password });
    markSignedOut();
    form.hidden = true;
    say(outcome, notice('good', 'Your new password is set.', 'All log-ins have ended. Log in with the new password.', [linkButton('Log in', '/login.html', { class: 'button button-main' })]));
  } catch (error) {
    const gone = error.code === 'link_gone';
    form.hidden = gone;
    say(outcome, problem('Your password was not changed.', error, { actions: gone ? again() : [] }));
  }
}

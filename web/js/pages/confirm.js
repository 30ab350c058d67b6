import { api } from '../api.js';
import { takeToken } from '../mailed.js';
import { problem } from '../problems.js';
import { showNavigation } from '../session.js';
import { busy, byId, linkButton, notice, say } from '../ui.js';

const outcome = byId('outcome');
const control = byId('confirm');
const account = () => [linkButton('Your account', '/account.html')];
let token = takeToken();

window.addEventListener('hashchange', () => {
  token = takeToken() || token;
  start();
});
showNavigation();
control.addEventListener('click', () => busy(control, confirm));
start();

// Programs that scan mails open links too, so the address is only confirmed when the button is pressed.
function start() {
  byId('ask').hidden = !token;
  say(outcome, token ? null : notice('plain', 'Open this page from our email.', 'You can have it sent again in your account.', account()));
}

async function confirm() {
  try {
    await api.put('/email-confirmations', { token });
    byId('ask').hidden = true;
    say(outcome, notice('good', 'Your address is confirmed.', '', [linkButton('Browse courses', '/', { class: 'button button-main' }), ...account()]));
  } catch (error) {
    byId('ask').hidden = error.code === 'link_gone';
    say(outcome, problem('Your address wasn’t confirmed.', error, { actions: account() }));
  }
}

import { api } from '../api.js';
import { takeToken } from '../mailed.js';
import { problem } from '../problems.js';
import { showNavigation } from '../session.js';
import { busy, byId, linkButton, notice, say } from '../ui.js';

const outcome = byId('outcome');
const control = byId('confirm');
const account = () => [linkButton('My account', '/account.html')];
let token = takeToken();

window.addEventListener('hashchange', () => {
  token = takeToken() || token;
  start();
});
showNavigation();
control.addEventListener('click', () => busy(control, confirm));
start();

// Programs that read mails open links, too: the address is confirmed by a press only.
function start() {
  byId('ask').hidden = !token;
  say(outcome, token ? null : notice('plain', 'This page is opened from a mail.', 'Your account page sends it again.', account()));
}

async function confirm() {
  try {
    await api.put('/email-confirmations', { token });
    byId('ask').hidden = true;
    say(outcome, notice('good', 'Your address is confirmed.', '', [linkButton('All courses', '/', { class: 'button button-main' }), ...account()]));
  } catch (error) {
    byId('ask').hidden = error.code === 'link_gone';
    say(outcome, problem('Your address was not confirmed.', error, { actions: account() }));
  }
}

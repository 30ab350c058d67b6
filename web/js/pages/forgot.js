import { api } from '../api.js';
import { problem } from '../problems.js';
import { showNavigation } from '../session.js';
import { byId, notice, onSubmit, say } from '../ui.js';

const outcome = byId('outcome');

showNavigation();
onSubmit(byId('form'), async ({ email }) => {
  say(outcome, null);
  try {
    await api.post('/password-resets', { email: email.trim() });
    say(outcome, notice('good', 'Check your inbox.', `If ${email.trim()} has an account here, we’ve sent a link to it. It may take a minute; check your spam folder, too.`));
  } catch (error) {
    say(outcome, problem('The email wasn’t sent.', error));
  }
});

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
    say(outcome, notice('good', 'Look into your mailbox.', `If ${email.trim()} has an account here, a mail with a link is on its way to it. It may take a minute; look among unwanted mail, too.`));
  } catch (error) {
    say(outcome, problem('The mail was not sent.', error));
  }
});

import { problem } from '../problems.js';
import { MINE, sales } from '../sales.js';
import { courses } from '../seller-courses.js';
import { membership } from '../seller-membership.js';
import { stripe } from '../seller-stripe.js';
import { requiredSession, showNavigation } from '../session.js';
import { byId, linkButton, notice, say } from '../ui.js';

const outcome = byId('outcome');

showNavigation();
start();

async function start() {
  try {
    const user = await requiredSession();
    if (!user.is_seller) {
      const text = 'Ask the staff to make you a seller, then come back. What you buy is in your account.';
      say(outcome, notice('plain', 'This desk is for sellers.', text, [linkButton('My account', '/account.html')]));
      return;
    }
    byId('desk').hidden = false;
    stripe(user);
    courses();
    membership(user);
    sales('/sales', MINE);
  } catch (error) {
    say(outcome, problem('We could not find out who you are.', error, { retry: () => window.location.reload() }));
  }
}

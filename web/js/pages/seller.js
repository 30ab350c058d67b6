import { parts } from '../parts.js';
import { problem } from '../problems.js';
import { MINE, sales } from '../sales.js';
import { components } from '../seller-components.js';
import { courses } from '../seller-courses.js';
import { members } from '../seller-members.js';
import { membership } from '../seller-membership.js';
import { pageForm } from '../seller-page-form.js';
import { balance, refreshBalance, stripe } from '../seller-stripe.js';
import { requiredSession, showNavigation } from '../session.js';
import { byId, linkButton, notice, say } from '../ui.js';

const outcome = byId('outcome');

showNavigation();
start();

async function start() {
  try {
    const user = await requiredSession();
    if (!user.is_seller) {
      const text = 'To sell courses, ask the staff to make you a seller. What you’ve bought is in your library.';
      say(outcome, notice('plain', 'This desk is for sellers.', text, [linkButton('Your library', '/account.html')]));
      return;
    }
    byId('desk').hidden = false;
    const reload = () => stripe(user);
    const account = stripe(user, (linked) => components(linked, reload));
    parts(byId('parts'), {
      courses: () => courses(user),
      sales: () => sales('/sales', MINE, refreshBalance),
      payouts: () => account.then(balance),
      'at-stripe': () => account,
      membership: () => Promise.all([membership(user), members(user)]),
      'public-page': () => pageForm(),
      settings: () => account,
    });
  } catch (error) {
    say(outcome, problem('We couldn’t check who is logged in.', error, { retry: () => window.location.reload() }));
  }
}

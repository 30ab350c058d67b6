import { api } from '../api.js';
import { cover } from '../cover.js';
import { pagedList } from '../list.js';
import { format } from '../money.js';
import { problem } from '../problems.js';
import { goToLogin, loginAddress, maybeSignedIn, session, showNavigation } from '../session.js';
import { busy, button, byId, h, linkButton, notice, say, skeleton } from '../ui.js';

const PAGE = 12;
const EXCERPT = 240;
const CONNECT = '/api/users/authorize';
const PARKED = 'parked-connect-code';

/** What became of connecting a Stripe account, by the reason that the API gives. */
const STALE = 'Connecting must be finished in the same browser, within ten minutes, and each try counts once. Nothing was linked; please start again.';
const BUSY = 'Stripe could not be reached or did not carry this out. Nothing was linked; try again in a moment.';
const REASONS = {
  access_denied: 'You did not give access to a Stripe account. Nothing was linked; you can connect whenever you like.',
  not_a_seller: 'Your account is not a seller’s. Ask the staff to make you a seller, then connect again.',
  signed_out: 'You were logged out on the way to Stripe and back. Nothing was linked; log in and connect again.',
  wrong_user: 'Somebody else is logged in here now. Nothing was linked; log in as the seller and connect again.',
  already_linked: 'Another Stripe account is linked to you already. Disconnect it at the seller desk first.',
  account_taken: 'This Stripe account belongs to another seller here. Connect a different one.',
  missing_state: STALE,
  invalid_state: STALE,
  expired_state: STALE,
  wrong_browser: STALE,
  invalid_grant: STALE,
  stripe_error: BUSY,
  stripe_unavailable: BUSY,
};
const OTHER_REASON = 'Something went wrong on the way back from Stripe. Nothing was linked; please try again.';

showNavigation();
byId('hero-art').append(cover('lectern-welcome', 4, 4));
showOutcome();
welcome();
catalogue();

async function welcome() {
  let user;
  try {
    user = await session();
  } catch {
    return;
  }
  if (!user) {
    byId('hero-actions').append(linkButton('Sign up', '/signup.html'));
    return;
  }
  byId('greeting').textContent = `Welcome back, ${user.email}.`;
  if (user.is_seller && !user.stripe.connected) {
    byId('hero-actions').append(linkButton('Connect Stripe account', CONNECT));
  }
}

/** Shows how a visit to Stripe's consent page ended. */
function showOutcome() {
  const query = new URLSearchParams(window.location.search);
  const outcome = query.get('connect');
  const region = byId('outcome');
  if (query.get('account') === 'deleted') {
    window.history.replaceState(null, '', '/');
    say(region, notice('good', 'Your account is deleted.', 'Thank you for having been here.'));
    return;
  }
  if (!outcome) return;
  if (outcome === 'confirm') {
    keepCode(query.get('code'));
    askToConfirm(region);
    return;
  }
  // Shown once: a reload or the way back is no new outcome.
  window.history.replaceState(null, '', '/');
  if (outcome === 'success') {
    const actions = [linkButton('Go to the seller desk', '/seller.html')];
    say(region, notice('good', 'Your Stripe account is connected.', 'What you sell is paid to it from now on.', actions));
  } else if (outcome === 'error') {
    const reason = query.get('reason') ?? '';
    const actions = reason === 'not_a_seller' ? [] : [linkButton('Connect Stripe account', CONNECT)];
    say(region, notice('bad', 'Your Stripe account was not connected.', Object.hasOwn(REASONS, reason) ? REASONS[reason] : OTHER_REASON, actions));
  }
}

/** Takes the code out of the address, and keeps it over a log-in. */
function keepCode(code) {
  if (code) window.sessionStorage.setItem(PARKED, code);
  window.history.replaceState(null, '', '/?connect=confirm');
}

async function askToConfirm(region) {
  const code = window.sessionStorage.getItem(PARKED);
  const again = [linkButton('Connect again', CONNECT)];
  if (!code) {
    say(region, notice('plain', 'There is nothing left to confirm.', 'Connect again if your Stripe account is not linked yet.', again));
    return;
  }
  let user;
  try {
    user = await session();
  } catch (error) {
    say(region, problem('We could not find out who you are.', error, { retry: () => window.location.reload() }));
    return;
  }
  if (!user) {
    const actions = [linkButton('Log in', loginAddress('/?connect=confirm'), { class: 'button button-main' })];
    say(region, notice('plain', 'One step is left: log in to link your Stripe account.', 'This browser does not know you yet, so nothing has been linked so far.', actions));
    return;
  }
  const confirm = button('Link the account', () => busy(confirm, link), { class: 'button button-main' });
  const dismiss = button('Do not link', () => {
    forget();
    say(region, notice('plain', 'Nothing was linked.', 'You can connect a Stripe account whenever you like.'));
  });
  say(
    region,
    notice('plain', 'Link the Stripe account that you have just chosen?', `It will receive what ${user.email} sells. If you did not choose one yourself just now, do not link it.`, [confirm, dismiss]),
  );

  async function link() {
    try {
      await api.post('/users/oauth/confirm', { code });
    } catch (error) {
      if (error.status === 401) {
        goToLogin();
        return;
      }
      if (error.isOutage) {
        say(region, problem('The account could not be linked yet.', error, { actions: [confirm] }));
        return;
      }
      forget();
      say(region, problem('The account was not linked.', error, { actions: again }));
      return;
    }
    forget();
    window.location.replace('/?connect=success');
  }

  function forget() {
    window.sessionStorage.removeItem(PARKED);
    window.history.replaceState(null, '', '/');
  }
}

function catalogue() {
  const form = byId('search');
  const field = byId('q');
  let words = '';

  const list = () =>
    pagedList({
      root: byId('catalogue'),
      name: 'courses',
      // Whoever is signed in may have just changed a course: ask whether the copy that the browser keeps still holds.
      load: (cursor) => api.get('/courses', { query: { q: words, limit: PAGE, cursor }, cache: maybeSignedIn() ? 'no-cache' : 'default' }),
      frame: () => ({ root: h('ul', { class: 'cards' }) }),
      row: card,
      waiting: () => h('div', { class: 'cards' }, Array.from({ length: 3 }, () => h('div', { class: 'card' }, h('div', { class: 'card-cover' }), skeleton(3)))),
      empty: () =>
        words
          ? h('div', { class: 'empty' }, h('p', {}, `No course matches “${words}”. Try fewer or other words.`), button('Show all courses', () => search('')))
          : h('div', { class: 'empty' }, h('p', {}, 'There are no courses yet. The first one will stand here as soon as a seller publishes it.')),
    });

  function fromAddress() {
    words = new URLSearchParams(window.location.search).get('q')?.trim() ?? '';
    field.value = words;
  }

  function search(text) {
    window.history.pushState(null, '', text ? `/?q=${encodeURIComponent(text)}` : '/');
    fromAddress();
    shown.reload();
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    search(field.value.trim());
  });
  window.addEventListener('popstate', () => {
    const before = words;
    fromAddress();
    if (words !== before) shown.reload();
  });
  fromAddress();
  const shown = list();
}

function card(course) {
  return h(
    'li',
    { class: 'card' },
    h('div', { class: 'card-cover' }, cover(course.slug)),
    h('h3', {}, h('a', { href: `/course.html?slug=${encodeURIComponent(course.slug)}` }, course.title)),
    h('p', { class: 'card-text' }, course.description.slice(0, EXCERPT)),
    h('p', { class: 'price' }, format(course.price.amount, course.price.currency)),
  );
}

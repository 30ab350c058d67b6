import { api } from '../api.js';
import { cardSkeletons, courseCard, teacherOf } from '../course-card.js';
import { cover } from '../cover.js';
import { pagedList } from '../list.js';
import { format } from '../money.js';
import { problem } from '../problems.js';
import { goToLogin, loginAddress, maybeSignedIn, session, showNavigation } from '../session.js';
import { busy, button, byId, courseAddress, h, linkButton, notice, say, skeleton } from '../ui.js';

const PAGE = 12;
/** The API's maximum page size. */
const MOST = 100;
const CONNECT = '/api/users/authorize';
const PARKED = 'parked-connect-code';

/** The outcome of connecting a Stripe account, by the API's reason. */
const STALE = 'Connecting has to be finished in the same browser within ten minutes. Nothing was connected; please start again.';
const BUSY = 'Stripe couldn’t be reached. Nothing was connected; try again in a moment.';
const REASONS = {
  access_denied: 'You didn’t give access to a Stripe account. Nothing was connected; you can do it whenever you like.',
  not_a_seller: 'Your account isn’t a seller’s. Ask the staff to make you a seller, then connect again.',
  signed_out: 'You were logged out on the way to Stripe and back. Nothing was connected; log in and try again.',
  wrong_user: 'Someone else is logged in here now. Nothing was connected; log in as the seller and try again.',
  already_linked: 'You already have another Stripe account connected. Disconnect it in the seller desk first.',
  debts_open: 'Another Stripe account of yours owes money from refunds or disputes. Connect that one again, or ask the staff.',
  account_taken: 'This Stripe account belongs to another seller here. Connect a different one.',
  missing_state: STALE,
  invalid_state: STALE,
  expired_state: STALE,
  wrong_browser: STALE,
  invalid_grant: STALE,
  stripe_error: BUSY,
  stripe_unavailable: BUSY,
};
const OTHER_REASON = 'Something went wrong on the way back from Stripe. Nothing was connected; please try again.';

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
  // js/early.js assumed a session that may have ended.
  document.documentElement.classList.toggle('signed-in', Boolean(user));
  if (!user) return;
  byId('greeting').textContent = `Welcome back, ${user.email}.`;
  if (user.is_seller && !user.stripe.connected) byId('hello').append(linkButton('Set up payments', '/seller.html'));
}

/** Shows how a visit to Stripe's consent page ended. */
async function showOutcome() {
  const query = new URLSearchParams(window.location.search);
  const outcome = query.get('connect');
  const region = byId('outcome');
  if (query.get('account') === 'deleted') {
    window.history.replaceState(null, '', '/');
    say(region, notice('good', 'Your account has been deleted.', 'Thank you for being here.'));
    return;
  }
  if (!outcome) return;
  if (outcome === 'confirm') {
    keepCode(query.get('code'));
    askToConfirm(region);
    return;
  }
  // Shown once: neither a reload nor the back button is a new outcome.
  window.history.replaceState(null, '', '/');
  if (outcome === 'success') {
    // Anybody can write such a URL.
    const user = await session().catch(() => null);
    if (!user?.stripe.connected) return;
    const actions = [linkButton('Go to the seller desk', '/seller.html')];
    say(region, notice('good', 'Your Stripe account is connected.', 'Your sales are paid to it from now on.', actions));
  } else if (outcome === 'error') {
    const reason = query.get('reason') ?? '';
    const actions = reason === 'not_a_seller' ? [] : [linkButton('Connect Stripe account', CONNECT)];
    say(region, notice('bad', 'Your Stripe account wasn’t connected.', Object.hasOwn(REASONS, reason) ? REASONS[reason] : OTHER_REASON, actions));
  }
}

/** Removes the code from the URL, and remembers it during a log-in. */
function keepCode(code) {
  if (code) window.sessionStorage.setItem(PARKED, code);
  window.history.replaceState(null, '', '/?connect=confirm');
}

async function askToConfirm(region) {
  const code = window.sessionStorage.getItem(PARKED);
  const again = [linkButton('Connect again', CONNECT)];
  if (!code) {
    say(region, notice('plain', 'There’s nothing left to confirm.', 'If your Stripe account isn’t connected yet, start again.', again));
    return;
  }
  let user;
  try {
    user = await session();
  } catch (error) {
    say(region, problem('We couldn’t check who is logged in.', error, { retry: () => window.location.reload() }));
    return;
  }
  if (!user) {
    const actions = [linkButton('Log in', loginAddress('/?connect=confirm'), { class: 'button button-main' })];
    say(region, notice('plain', 'One last step: log in to connect your Stripe account.', 'Nothing has been connected so far.', actions));
    return;
  }
  const confirm = button('Connect this account', () => busy(confirm, link), { class: 'button button-main' });
  const dismiss = button('Don’t connect', () => {
    forget();
    say(region, notice('plain', 'Nothing was connected.', 'You can connect a Stripe account whenever you like.'));
  });
  say(
    region,
    notice('plain', 'Connect the Stripe account that you just chose?', `It will receive the payments for everything ${user.email} sells. If you didn’t just choose one yourself, don’t connect it.`, [confirm, dismiss]),
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
        say(region, problem('We couldn’t connect the account yet.', error, { actions: [confirm] }));
        return;
      }
      forget();
      say(region, problem('The account wasn’t connected.', error, { actions: again }));
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

  const list = (atFirst) =>
    pagedList({
      root: byId('catalogue'),
      name: 'courses',
      // A logged-in user may have just changed a course, so the browser must revalidate its cached copy.
      load: (cursor, wanted) => api.get('/courses', { query: { q: words, limit: Math.min(Math.max(PAGE, wanted), MOST), cursor }, cache: maybeSignedIn() ? 'no-cache' : 'default' }),
      frame: () => ({ root: h('ul', { class: 'cards' }) }),
      row: card,
      waiting: () => cardSkeletons(6, () => skeleton(3)),
      empty: () =>
        words
          ? h('div', { class: 'empty' }, h('p', {}, 'No courses match “', h('bdi', {}, words), '”. Try fewer or different words.'), button('Show all courses', () => search('')))
          : h('div', { class: 'empty' }, h('p', {}, 'There are no courses yet. Check back soon.')),
      changed: (items) => keepPlace({ count: items.length }),
      atFirst,
    });

  function fromAddress() {
    words = new URLSearchParams(window.location.search).get('q')?.trim() ?? '';
    field.value = words;
    document.documentElement.classList.toggle('searching', words !== '');
  }

  function search(text) {
    window.history.pushState(null, '', text ? `/?q=${encodeURIComponent(text)}` : '/');
    fromAddress();
    shown.restart();
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    search(field.value.trim());
  });
  window.addEventListener('popstate', () => {
    const before = words;
    fromAddress();
    if (words !== before) shown.restart();
  });
  fromAddress();
  const place = window.history.state?.place;
  const shown = list(place?.count ?? 0);
  if (place?.y) backTo(place.y, shown.ready);
  // The scroll position is stored in the history entry, so that users who come back find the same place. When the page is
  // being left, it is too late to store it.
  document.addEventListener('click', leaveFrom, { capture: true });
}

function keepPlace(change) {
  window.history.replaceState({ ...window.history.state, place: { ...window.history.state?.place, ...change } }, '');
}

/** The browser must not restore the position itself: it begins before the page is as long as it was, and its smooth scroll would go on. */
function leaveFrom() {
  keepPlace({ y: window.scrollY });
  window.history.scrollRestoration = 'manual';
}

/** Scrolls to the stored position once the page is as long as it was. */
async function backTo(y, ready) {
  await ready;
  window.scrollTo({ top: y, behavior: 'instant' });
}

function card(course) {
  const to = { seed: course.slug, href: courseAddress(course.slug), title: course.title, teacher: teacherOf(course), text: course.description };
  return courseCard(to, h('p', { class: 'price' }, format(course.price.amount, course.price.currency)));
}

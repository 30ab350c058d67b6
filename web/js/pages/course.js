import { api, part } from '../api.js';
import { buy, isNotOnSale } from '../checkout.js';
import { keepCard, savedCardForm, usableCards } from '../course-cards.js';
import { membershipForm } from '../course-membership.js';
import { cover } from '../cover.js';
import { format } from '../money.js';
import { contents, lessonsOf } from '../outline.js';
import { problem } from '../problems.js';
import { fill, showReader } from '../reader.js';
import { loginAddress, maybeSignedIn, session, showNavigation } from '../session.js';
import { platform, publishableKey } from '../stripe-js.js';
import { bdi, busy, button, byId, courseAddress, date, h, linkButton, notice, say, sellerAddress, setTitle, skeleton } from '../ui.js';

const query = new URLSearchParams(window.location.search);
/** A course's id works in place of its slug, even after the slug was changed or removed. */
const named = /^\/courses\/([a-z0-9-]+)$/.exec(window.location.pathname)?.[1] || query.get('id') || query.get('slug') || '';
/** This page's URL, without what a visit to the payment page appended. */
const address = courseAddress(named);
const root = byId('course');
const outcome = byId('outcome');
/** Saved cards are shown first if they arrive in time; what is already shown does not move. */
const CARDS_MS = 1200;

/** Whether a purchase is in progress by any method. Methods never run concurrently. */
let paying = false;
/** Whether a purchase was refused because nobody can buy the course at the moment. */
let notOnSale = false;
/** Whether the buyer has just come back from the payment page without paying. Said once, and not again after a reload. */
let canceled = query.get('checkout') === 'canceled';

showNavigation();
// The server has rendered what everybody sees, except at an address with an id.
if (root.childElementCount === 0) root.append(waiting());
else root.querySelector('.course-cover')?.append(cover(named, 6, 2));
load();
// The browser may restore this page as it was before the payment page.
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  paying = false;
  load();
});

function waiting() {
  return h('div', { class: 'course', 'aria-hidden': 'true' }, h('div', { class: 'course-head' }, skeleton(2)), h('div', { class: 'course-about' }, skeleton(6)), h('div', { class: 'card course-side' }, skeleton(4)));
}

async function load() {
  root.setAttribute('aria-busy', 'true');
  try {
    if (!named) throw Object.assign(new Error('no course is named'), { status: 404 });
    // A cached copy may contain an old price, and a visitor's copy does not say what a logged-in user owns.
    const cache = maybeSignedIn() ? 'no-store' : 'no-cache';
    const [course, outline, user, config] = await Promise.all([
      api.get(`/courses/${part(named)}`, { cache }),
      // Without it, the course can still be bought.
      api.get(`/courses/${part(named)}/outline`, { cache }).catch((error) => error),
      session().catch(() => undefined),
      maybeSignedIn() ? platform().catch(() => null) : null,
    ]);
    show(course, outline, user, config);
  } catch (error) {
    root.replaceChildren(error.status === 404 ? absent() : h('div', { role: 'alert' }, problem('We couldn’t load this course.', error, { retry: load })));
  } finally {
    root.removeAttribute('aria-busy');
  }
}

function absent() {
  return h(
    'div',
    { class: 'empty' },
    h('h1', {}, 'We couldn’t find this course.'),
    h('p', {}, 'It may have been removed, or its address may have changed. If you bought it, you’ll find it in your library.'),
    h('div', { class: 'actions actions-center' }, linkButton('Browse courses', '/', { class: 'button button-main' }), linkButton('Your library', '/account.html#library')),
  );
}

const isOwn = (course, user) => Boolean(user) && user.id === course.seller.id;
const mayRead = (course, user) => course.owned || isOwn(course, user);
/** Whether this visitor can probably buy the course: it is not their own, and not unavailable as far as we know. */
const canBuy = (course, user) => !course.owned && !isOwn(course, user) && course.for_sale && !notOnSale;

function show(course, outline, user, config) {
  setTitle(course.title);
  if (canceled) {
    canceled = false;
    window.history.replaceState(null, '', address);
    // It may have been paid in another tab.
    if (!course.owned) say(outcome, notice('plain', 'You left the payment page.', 'You haven’t been charged. The course is here whenever you want it.'));
  }
  const side = h('section', { class: 'card course-side', id: 'offer', 'aria-label': 'Price and purchase', tabindex: '-1' });
  root.replaceChildren(
    h(
      'article',
      { class: 'course' },
      h('div', { class: 'course-head' }, h('h1', { dir: 'auto' }, course.title), byline(course)),
      h(
        'div',
        { class: 'course-about' },
        course.description
          ? h('div', { class: 'course-text prose', dir: 'auto' }, course.description)
          : h('p', { class: 'course-text muted' }, 'There’s no description yet.'),
        !mayRead(course, user) && lessonsOf(outline).length > 0 && contents(course, outline),
      ),
      side,
    ),
  );
  fillSide(side, course, user, config);
  if (mayRead(course, user)) content(course, outline);
}

/** Leads to the seller's page, if there is one. */
const byline = ({ seller }) => seller.handle && h('p', { class: 'lead course-teacher' }, 'By ', h('a', { href: sellerAddress(seller.handle) }, bdi(seller.name)));

/** Fills the box next to the description, at once or when the saved cards are known. */
async function fillSide(side, course, user, config) {
  const picture = h('div', { class: 'course-cover' }, cover(course.slug, 6, 2));
  const facts = h('dl', { class: 'facts' }, h('dt', {}, 'Published'), h('dd', {}, date(course.created_at)));
  let cards = [];
  let late = null;
  if (user && canBuy(course, user)) {
    side.replaceChildren(picture, skeleton(4));
    late = usableCards();
    cards = await Promise.race([late, new Promise((resolve) => setTimeout(resolve, CARDS_MS, null))]);
    if (cards) late = null;
    if (!side.isConnected) return;
  }
  const price = format(course.price.amount, course.price.currency);
  const withCard = (list, title) => savedCardForm(list, price, title, (card) => purchase(course, { card }));
  side.replaceChildren(picture, ...offer(course, user, config, cards?.length > 0 && withCard(cards, 'Pay with a saved card')).filter(Boolean), facts);
  buyBar(side, course, user, price);
  byCardHere();
  const hint = byId('buy-hint');
  late?.then((list) => list.length > 0 && hint?.isConnected && hint.after(withCard(list, 'Or with a saved card')));
  byMembership(side, course, user);
}

/** Keeps the price and buy button visible on a small screen while the offer is out of sight. */
function buyBar(side, course, user, price) {
  byId('buy-bar')?.remove();
  if (!canBuy(course, user) || course.owned) return;
  const onward = user === null
    ? linkButton('Log in and buy', loginAddress(address), { class: 'button button-main' })
    : linkButton('Buy', '#offer', { class: 'button button-main' });
  const bar = h('div', { class: 'buy-bar', id: 'buy-bar' }, h('p', { class: 'price' }, price), onward);
  root.append(bar);
  new IntersectionObserver(([entry]) => bar.classList.toggle('is-away', entry.isIntersecting), { rootMargin: '0px 0px -64px 0px' }).observe(side);
}

/** Offers card fields on this site, if Stripe.js can work. */
async function byCardHere() {
  const buy = byId('buy');
  if (!buy || !(await publishableKey().catch(() => null)) || !buy.isConnected) return;
  buy.after(linkButton('Pay by card here', `/pay.html?slug=${encodeURIComponent(named)}`, { class: 'button button-wide button-next' }));
}

/** Shows the seller's membership below everything else in the box with the price. */
async function byMembership(side, course, user) {
  if (course.owned || user === undefined || isOwn(course, user)) return;
  const form = await membershipForm(course, user, async (box) => {
    say(outcome, box);
    outcome.scrollIntoView({ block: 'nearest' });
    if (['subscribed', 'already_subscribed'].includes(box.dataset.code)) await load();
  });
  if (form && side.isConnected) side.append(form);
}

/** The course's content and lessons, below its description, for users with access. */
async function content(course, outline) {
  const box = h('section', { class: 'content', id: 'content', tabindex: '-1', 'aria-labelledby': 'content-title', 'aria-busy': 'true' }, h('h2', { id: 'content-title' }, 'Course content'), skeleton(5));
  root.querySelector('.course').append(box);
  try {
    if (outline instanceof Error) throw outline;
    await showReader(box, course, outline, Boolean(course.owned));
  } catch (error) {
    fill(box, problem('We couldn’t load the content.', error, error.isOutage ? { retry: load } : {}));
  } finally {
    box.removeAttribute('aria-busy');
  }
}

/** The box next to the description: the price, and what this user can do. */
function offer(course, user, config, savedCard) {
  const price = h('p', { class: 'price price-large' }, format(course.price.amount, course.price.currency));
  if (course.owned) {
    return [
      h('p', { class: 'owned' }, 'You have access to this course.'),
      linkButton('Start reading', '#content', { class: 'button button-main button-wide', id: 'start' }),
      linkButton('Your library', '/account.html#library', { class: 'button button-wide button-next' }),
    ];
  }
  if (isOwn(course, user)) {
    return [
      price,
      h('p', {}, course.published ? 'This is your course.' : 'This is your course. It isn’t published: only you can see it.'),
      course.published && !course.for_sale && h('p', { class: 'not-on-sale' }, 'Nobody can buy it at the moment. Your seller desk says what’s missing.'),
      linkButton('Edit in the seller desk', '/seller.html#courses', { class: 'button button-wide' }),
    ];
  }
  if (!canBuy(course, user)) return [price, h('p', { class: 'not-on-sale' }, 'Not on sale right now'), h('p', { class: 'muted small' }, 'Please check back later.')];
  const signedOut = user === null;
  const action = signedOut
    ? linkButton('Log in to buy', loginAddress(address), { class: 'button button-main button-wide' })
    : button('Buy this course', () => busy(action, () => purchase(course, { keepCard: byId('keep-card')?.checked })), { class: savedCard ? 'button button-wide' : 'button button-main button-wide', id: 'buy' });
  return [
    price,
    savedCard,
    action,
    h('p', { class: 'muted small', id: 'buy-hint' }, signedOut ? 'You’ll come straight back here.' : savedCard ? 'With another card, on Stripe’s secure page.' : 'You pay on Stripe’s secure page.'),
    config?.refund_policy_url && h('p', { class: 'muted small' }, h('a', { href: config.refund_policy_url, target: '_blank', rel: 'noopener' }, 'Refund policy')),
    // A direct charge's page cannot save a card. A seller's own terms may differ from the platform's; then the buyer
    // learns that when buying.
    !signedOut && config && config.charge_type !== 'direct' && keepCard(),
  ];
}

async function purchase(course, how) {
  if (paying) return;
  paying = true;
  say(outcome, null);
  const box = await buy(course.id, course.price, how);
  paying = false;
  say(outcome, box);
  outcome.scrollIntoView({ block: 'nearest' });
  const { code } = box.dataset;
  notOnSale = isNotOnSale(code);
  if (notOnSale || ['already_owned', 'price_changed', 'payment_method_refused'].includes(code)) await load();
}

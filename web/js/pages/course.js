import { api, part } from '../api.js';
import { buy } from '../checkout.js';
import { keepCard, savedCardForm, usableCards } from '../course-cards.js';
import { membershipForm } from '../course-membership.js';
import { cover } from '../cover.js';
import { markdown } from '../markdown.js';
import { format } from '../money.js';
import { problem } from '../problems.js';
import { loginAddress, maybeSignedIn, session, showNavigation } from '../session.js';
import { platform, publishableKey } from '../stripe-js.js';
import { busy, button, byId, date, h, linkButton, notice, say, setTitle, skeleton } from '../ui.js';

const query = new URLSearchParams(window.location.search);
const slug = query.get('slug') ?? '';
const root = byId('course');
const outcome = byId('outcome');

/** Whether a purchase is being made, in whichever way: the two ways to pay never run at the same time. */
let paying = false;

showNavigation();
root.append(skeleton(6));
if (query.get('checkout') === 'canceled') {
  say(outcome, notice('plain', 'You left the payment page.', 'Nothing was charged. The course is still here whenever you want it.'));
}
load();
// The browser may bring this page back as it was before the payment page.
window.addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  paying = false;
  load();
});

async function load() {
  root.setAttribute('aria-busy', 'true');
  try {
    if (!slug) throw Object.assign(new Error('no slug'), { status: 404 });
    const [course, user, config] = await Promise.all([
      // A kept copy may name an old price, and a visitor's says nothing about what somebody who has logged in owns.
      api.get(`/courses/${part(slug)}`, { cache: maybeSignedIn() ? 'no-store' : 'no-cache' }),
      session().catch(() => undefined),
      maybeSignedIn() ? platform().catch(() => null) : null,
    ]);
    show(course, user, config);
  } catch (error) {
    root.replaceChildren(error.status === 404 ? absent() : h('div', { role: 'alert' }, problem('We could not load this course.', error, { retry: load })));
  } finally {
    root.removeAttribute('aria-busy');
  }
}

function absent() {
  return h(
    'div',
    { class: 'empty' },
    h('h1', {}, 'This course is not here.'),
    h('p', {}, 'It may have been taken down, or its address has changed.'),
    linkButton('All courses', '/', { class: 'button button-main' }),
  );
}

function show(course, user, config) {
  setTitle(course.title);
  root.replaceChildren(
    h(
      'article',
      { class: 'course' },
      h('div', { class: 'course-cover' }, cover(course.slug, 12, 3)),
      h('h1', {}, course.title),
      h('section', { class: 'card course-side', 'aria-label': 'Price and purchase' }, offer(course, user, config)),
      course.description
        ? h('div', { class: 'course-text prose' }, course.description)
        : h('p', { class: 'course-text muted' }, 'The seller has not described this course yet.'),
    ),
  );
  byCardHere();
  bySavedCard(course, user);
  byMembership(course, user);
  if (course.owned || (user && user.id === course.seller.id)) content(course);
}

/** Offers the card's fields on a page of this site, where Stripe.js can work. */
async function byCardHere() {
  const buy = byId('buy');
  if (!buy || !(await publishableKey().catch(() => null)) || !buy.isConnected) return;
  buy.after(linkButton('Pay by card here', `/pay.html?slug=${encodeURIComponent(slug)}`, { class: 'button button-wide button-next' }));
}

/** Offers the buyer's saved cards, below what stands there already: nothing moves under a finger. */
async function bySavedCard(course, user) {
  const hint = byId('buy-hint');
  if (!user || !byId('buy')) return;
  const cards = await usableCards();
  if (cards.length === 0 || !hint.isConnected) return;
  hint.after(savedCardForm(cards, format(course.price.amount, course.price.currency), (card) => purchase(course, { card })));
}

/** Offers what the seller offers to members, below everything else that stands beside the price. */
async function byMembership(course, user) {
  const side = root.querySelector('.course-side');
  if (course.owned || user === undefined || (user && user.id === course.seller.id)) return;
  const form = await membershipForm(course, user, async (box) => {
    say(outcome, box);
    outcome.scrollIntoView({ block: 'nearest' });
    if (['subscribed', 'already_subscribed'].includes(box.dataset.code)) await load();
  });
  if (form && side.isConnected) side.append(form);
}

/** What those read who own the course, under its description. */
async function content(course) {
  const box = h('section', { class: 'content', id: 'content', 'aria-labelledby': 'content-title', 'aria-busy': 'true' }, h('h2', { id: 'content-title' }, 'Content'), skeleton(5));
  root.querySelector('.course').append(box);
  const fill = (...nodes) => box.replaceChildren(box.firstChild, ...nodes);
  try {
    const answer = await api.get(`/courses/${part(course.id)}/content`, { cache: 'no-store' });
    fill(answer.content ? h('div', { class: 'markdown' }, markdown(answer.content)) : h('p', { class: 'muted' }, 'The seller has not put anything here yet.'));
  } catch (error) {
    fill(problem('We could not load the content.', error, error.isOutage ? { retry: load } : {}));
  } finally {
    box.removeAttribute('aria-busy');
  }
}

/** What stands beside the description: the price and what this user can do. */
function offer(course, user, config) {
  const price = format(course.price.amount, course.price.currency);
  const facts = h('dl', { class: 'facts' }, h('dt', {}, 'Listed since'), h('dd', {}, date(course.created_at)));
  if (course.owned) {
    return [
      h('p', { class: 'owned' }, 'This course is open to you.'),
      h('p', { class: 'muted' }, 'What you bought stays with your account; what you read as a member, for as long as you are one.'),
      linkButton('Read it', '#content', { class: 'button button-main button-wide' }),
      linkButton('My purchases', '/account.html#purchases', { class: 'button button-wide button-next' }),
      facts,
    ];
  }
  if (user && user.id === course.seller.id) {
    return [
      h('p', { class: 'price price-large' }, price),
      h('p', {}, course.published ? 'This is your course.' : 'This is your course. It is not published: only you see it.'),
      linkButton('Edit it at the seller desk', '/seller.html', { class: 'button button-wide' }),
      facts,
    ];
  }
  const signedOut = user === null;
  const action = signedOut
    ? linkButton('Log in to buy', loginAddress(`/course.html?slug=${encodeURIComponent(slug)}`), { class: 'button button-main button-wide' })
    : button('Buy this course', () => busy(action, () => purchase(course, { keepCard: byId('keep-card')?.checked })), { class: 'button button-main button-wide', id: 'buy' });
  return [
    h('p', { class: 'price price-large' }, price),
    // A direct charge's page cannot keep a card. A seller's own terms may differ from the platform's: buying says so then.
    !signedOut && config && config.charge_type !== 'direct' && keepCard(),
    action,
    h('p', { class: 'muted small', id: 'buy-hint' }, signedOut ? 'You come straight back here.' : 'You pay on Stripe’s page and come back here.'),
    facts,
  ];
}

async function purchase(course, how) {
  if (paying) return;
  paying = true;
  say(outcome, null);
  const box = await buy(course.id, course.price.amount, how);
  paying = false;
  say(outcome, box);
  outcome.scrollIntoView({ block: 'nearest' });
  if (['already_owned', 'price_changed', 'not_found', 'payment_method_refused'].includes(box.dataset.code)) await load();
}

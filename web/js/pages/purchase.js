import { api, part } from '../api.js';
import { buy, purchasePage } from '../checkout.js';
import { format } from '../money.js';
import { problem } from '../problems.js';
import { goToLogin, requiredSession, showNavigation } from '../session.js';
import { statusLabel } from '../status.js';
import { busy, button, byId, courseAddress, date, h, linkButton, say, setTitle, skeleton } from '../ui.js';

const FIRST_WAIT_MS = 700;
const LONGEST_WAIT_MS = 15_000;
const GROWTH = 1.5;
/** After this time, a buyer who has not paid is offered the payment page again. */
const LATE_LOOKS = 5;
/** After this many polls, about three minutes, the page waits for the user to ask. */
const LAST_LOOK = 18;
/** For how long, and for how many polls, a fresh failure may be that of a card that was since replaced by another one. */
const FRESH_MS = 30_000;
const FRESH_LOOKS = 3;

const id = new URLSearchParams(window.location.search).get('id') ?? '';
// Stripe returns with the payment's client secret in the address. It doesn't belong in the history or in a copied link.
if (id) window.history.replaceState(null, '', purchasePage(id));
const root = byId('purchase');
const news = byId('news');
const trouble = h('div', { role: 'alert' });

let looks = 0;
let timer;
let shown = '';
let looking = false;

showNavigation();
root.append(skeleton(4));
start();

async function start() {
  try {
    await requiredSession();
  } catch (error) {
    root.removeAttribute('aria-busy');
    root.replaceChildren(problem('We couldn’t check who is logged in.', error, { retry: () => window.location.reload() }));
    return;
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && timer !== undefined) lookAgain();
  });
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) {
      shown = '';
      lookAgain();
    }
  });
  look();
}

/** Starts polling again. */
function lookAgain() {
  looks = 0;
  look();
}

async function look() {
  clearTimeout(timer);
  timer = undefined;
  if (looking) return;
  looking = true;
  try {
    if (!id) throw Object.assign(new Error('no id'), { status: 404 });
    const purchase = await api.get(`/purchases/${part(id)}`, { cache: 'no-store' });
    looks += 1;
    trouble.replaceChildren();
    show(purchase);
    if (mayChange(purchase.status) && looks < LAST_LOOK) wait();
  } catch (error) {
    fail(error);
    if (error.isOutage) {
      looks += 1;
      if (looks < LAST_LOOK) wait();
    }
  } finally {
    looking = false;
    root.removeAttribute('aria-busy');
  }
}

/** Whether the status may still change. A card declined in Checkout can be followed there by another one. */
const mayChange = (status) => ['pending', 'requires_action', 'failed', 'canceled'].includes(status);

function wait() {
  timer = setTimeout(look, Math.min(FIRST_WAIT_MS * GROWTH ** looks, LONGEST_WAIT_MS));
}

function fail(error) {
  if (error.status === 401) {
    goToLogin();
  } else if (error.status === 404) {
    const actions = linkButton('Your purchases', '/account.html#purchases');
    root.replaceChildren(h('div', { class: 'empty' }, h('p', {}, 'We couldn’t find this purchase in your account. It may belong to another account of yours.'), actions));
  } else {
    if (!trouble.isConnected) root.replaceChildren(trouble);
    trouble.replaceChildren(problem('We couldn’t check your purchase.', error, { text: 'Your payment isn’t affected.', retry: lookAgain }));
  }
}

/** @returns {{tone: string, title: string, text: string, actions: Node[]}} what the status means for the buyer */
function meaning(purchase) {
  // By its id, because the course's slug may have been changed or removed.
  const course = (text, main) => linkButton(text, courseAddress(purchase.course_id), { class: main ? 'button button-main' : 'button' });
  const onwards = (text) => {
    const control = button(text, () => busy(control, () => goOn(purchase)), { class: 'button button-main' });
    return control;
  };
  switch (purchase.status) {
    case 'pending':
      if (purchase.processing) {
        return {
          tone: 'plain',
          title: 'Your payment is on its way.',
          text: 'Your bank takes a few days to process it. The course opens as soon as the money arrives, and we’ll email you a receipt. There’s nothing more for you to do, and you can close this page. If the bank declines, you won’t be charged and can pay another way.',
          actions: [course('Back to the course')],
        };
      }
      if (looks >= LAST_LOOK) {
        return {
          tone: 'plain',
          title: 'We haven’t heard of a payment yet.',
          text: 'If you’ve paid, it shows here as soon as Stripe confirms it, and you can close this page. If you haven’t, you can continue with the payment.',
          actions: [button('Check again', lookAgain), onwards('Continue to payment')],
        };
      }
      return {
        tone: 'wait',
        title: 'Waiting for your payment',
        text: 'This usually takes a few seconds. Nothing is lost if you close the page.',
        actions: looks >= LATE_LOOKS ? [onwards('Not paid yet? Continue to payment')] : [],
      };
    case 'requires_action':
      return {
        tone: 'plain',
        title: 'Your bank needs you to confirm the payment.',
        text: 'You won’t be charged until you do.',
        actions: [onwards('Confirm the payment')],
      };
    case 'paid':
      return { tone: 'good', title: 'Thank you. The course is yours.', text: 'We’ve sent a receipt to your email address. You’ll find the course in your library.', actions: [course('Start the course', true)] };
    case 'failed':
      return { tone: 'bad', title: 'The payment didn’t go through.', text: `${why(purchase.failure)} You haven’t been charged.`, actions: [onwards('Try again'), course('Back to the course')] };
    case 'canceled':
      if (purchase.failure) return meaning({ ...purchase, status: 'failed' });
      return { tone: 'plain', title: 'The payment was canceled.', text: 'You haven’t been charged.', actions: [onwards('Try again'), course('Back to the course')] };
    case 'refunded':
      return { tone: 'plain', title: 'You’ve been refunded.', text: 'The course is no longer in your library. You can buy it again.', actions: [course('See the course')] };
    case 'partially_refunded':
      return { tone: 'good', title: purchase.refunded ? `You’ve been refunded ${format(purchase.refunded, purchase.currency)}.` : 'Your bank has refunded part of the payment.', text: 'You keep the course.', actions: [course('Start the course', true)] };
    case 'disputed':
      return { tone: 'plain', title: 'Your bank disputes this payment.', text: 'The course stays in your library while the dispute is open.', actions: [course('Start the course')] };
    default:
      return { tone: 'plain', title: 'This purchase has changed.', text: 'Reload the page in a moment to see its status.', actions: [] };
  }
}

const WHY = {
  insufficient_funds: 'There wasn’t enough money in the account.',
  expired_card: 'The card has expired.',
  incorrect_cvc: 'The card’s security code was incorrect.',
  processing_error: 'The card couldn’t be processed.',
  authentication_required: 'Your bank wanted you to confirm the payment.',
  payment_intent_authentication_failure: 'Your bank couldn’t confirm that it was you.',
};

function why(failure) {
  return WHY[failure?.decline_code] ?? WHY[failure?.code] ?? 'The card was declined.';
}

function show(heard) {
  const fresh = Date.now() - Date.parse(heard.updated_at) < FRESH_MS && looks <= FRESH_LOOKS;
  const purchase = heard.status === 'failed' && fresh ? { ...heard, status: 'pending' } : heard;
  const stage = `${purchase.status} ${purchase.processing} ${looks >= LATE_LOOKS} ${looks >= LAST_LOOK} ${purchase.refunded}`;
  if (stage === shown) return;
  shown = stage;
  const { tone, title, text, actions } = meaning(purchase);
  setTitle(title.replace(/\.$/, ''));
  news.textContent = title;
  root.replaceChildren(...[
    h(
      'div',
      { class: `card verdict verdict-${tone}`, id: 'verdict', 'data-status': purchase.status },
      h('h2', {}, tone === 'wait' && h('span', { class: 'spinner', 'aria-hidden': 'true' }), title),
      h('p', {}, text),
      actions.length > 0 && h('div', { class: 'actions' }, actions),
    ),
    trouble,
    h(
      'dl',
      { class: 'facts facts-wide' },
      fact('Course', h('bdi', {}, purchase.course_title)),
      fact('Price', format(purchase.amount, purchase.currency)),
      fact('Status', statusLabel(purchase)),
      fact(purchase.paid_at ? 'Paid' : 'Started', date(purchase.paid_at ?? purchase.created_at, true)),
      fact('Order number', h('code', { class: 'breakable' }, purchase.id)),
    ),
    refunds(purchase),
    h('div', { class: 'actions' }, purchase.paid_at && button('Print the receipt', () => window.print()), linkButton('All purchases', '/account.html#purchases')),
  ].filter(Boolean));
}

/** A refund's status. */
const FAR = { waiting: 'Waiting, then made automatically', pending: 'On its way' };

/** The refunds, one line each. */
function refunds({ refunds: all = [], currency }) {
  const made = all.filter(({ status }) => status !== 'failed');
  if (made.length === 0) return null;
  return h(
    'section',
    { 'aria-labelledby': 'refunds-title' },
    h('h2', { id: 'refunds-title' }, 'Refunds'),
    h('ul', { class: 'lines' }, made.map((refund) => h('li', {}, date(refund.created_at), h('span', {}, FAR[refund.status] ?? 'Refunded'), h('strong', {}, format(refund.amount, currency))))),
  );
}

const fact = (name, value) => h('div', {}, h('dt', {}, name), h('dd', {}, value));

/** Requests the same purchase again: it continues where it stopped, or with a new attempt. */
async function goOn({ course_id: courseId, amount, currency }) {
  trouble.replaceChildren();
  const box = await buy(courseId, { amount, currency });
  if (box.dataset.code === 'already_owned') {
    shown = '';
    lookAgain();
    return;
  }
  if (box.dataset.code === 'price_changed') {
    box.append(linkButton('See the course', courseAddress(courseId)));
  }
  say(trouble, box);
}

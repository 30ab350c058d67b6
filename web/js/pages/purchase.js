import { api, part } from '../api.js';
import { buy } from '../checkout.js';
import { format } from '../money.js';
import { problem } from '../problems.js';
import { goToLogin, requiredSession, showNavigation } from '../session.js';
import { ownsCourse, statusLabel } from '../status.js';
import { busy, button, byId, date, h, linkButton, say, setTitle, skeleton } from '../ui.js';

const FIRST_WAIT_MS = 700;
const LONGEST_WAIT_MS = 15_000;
const GROWTH = 1.5;
/** From then on somebody who has not paid yet is offered the payment page again. */
const LATE_LOOKS = 5;
/** After so many looks, some three minutes, the page waits to be asked. */
const LAST_LOOK = 18;
/** How long, and for how many looks, a fresh failure may yet turn out to be a card's that another one has replaced. */
const FRESH_MS = 30_000;
const FRESH_LOOKS = 3;

const id = new URLSearchParams(window.location.search).get('id') ?? '';
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
    root.replaceChildren(problem('We could not find out who you are.', error, { retry: () => window.location.reload() }));
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

/** Starts to wait anew. */
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
  } finally {
    looking = false;
    root.removeAttribute('aria-busy');
  }
}

/** Whether news may still come. A card that was declined in Checkout can be followed there by one that is not. */
const mayChange = (status) => ['pending', 'requires_action', 'failed', 'canceled'].includes(status);

function wait() {
  timer = setTimeout(look, Math.min(FIRST_WAIT_MS * GROWTH ** looks, LONGEST_WAIT_MS));
}

function fail(error) {
  if (error.status === 401) {
    goToLogin();
  } else if (error.status === 404) {
    const actions = linkButton('My purchases', '/account.html#purchases');
    root.replaceChildren(h('div', { class: 'empty' }, h('p', {}, 'There is no such purchase in your account. Perhaps it was made with another one.'), actions));
  } else {
    if (!trouble.isConnected) root.replaceChildren(trouble);
    trouble.replaceChildren(problem('We could not look at your purchase.', error, { text: 'Your payment is not affected by this.', retry: lookAgain }));
  }
}

/** @returns {{tone: string, title: string, text: string, actions: Node[]}} what the status means for the buyer */
function meaning(purchase) {
  const course = (text, main) => linkButton(text, `/course.html?slug=${encodeURIComponent(purchase.course_slug)}`, { class: main ? 'button button-main' : 'button' });
  const onwards = (text, expected) => {
    const control = button(text, () => busy(control, () => goOn(purchase, expected)), { class: 'button button-main' });
    return control;
  };
  switch (purchase.status) {
    case 'pending':
      if (looks >= LAST_LOOK) {
        return {
          tone: 'plain',
          title: 'We have not heard of a payment yet.',
          text: 'If you have paid, it will show here as soon as Stripe tells us, and you can close this page. If you have not, you can go on with the payment.',
          actions: [button('Look again', lookAgain), onwards('Go to the payment page')],
        };
      }
      return {
        tone: 'wait',
        title: 'Waiting for your payment',
        text: 'As soon as Stripe confirms it, this page shows it. That usually takes a few seconds, and nothing is lost if you close the page.',
        actions: looks >= LATE_LOOKS ? [onwards('Not paid yet? Go to the payment page')] : [],
      };
    case 'requires_action':
      return {
        tone: 'plain',
        title: 'Your bank wants you to confirm the payment.',
        text: 'Nothing is charged before you do.',
        actions: [onwards('Confirm the payment')],
      };
    case 'paid':
      return { tone: 'good', title: 'Paid. The course is yours.', text: 'Thank you. A receipt is on its way to your mailbox, and you find the course under your purchases from now on.', actions: [course('Go to the course', true)] };
    case 'failed':
      return { tone: 'bad', title: 'The payment did not go through.', text: `${why(purchase.failure)} Nothing was charged.`, actions: [onwards('Try again', purchase.amount), course('Back to the course')] };
    case 'canceled':
      return { tone: 'plain', title: 'The payment was canceled.', text: 'Nothing was charged.', actions: [onwards('Try again', purchase.amount), course('Back to the course')] };
    case 'refunded':
      return { tone: 'plain', title: 'Your money was given back.', text: 'The course is no longer in your account. You can buy it again.', actions: [course('See the course')] };
    case 'partially_refunded':
      return { tone: 'good', title: `${format(purchase.refunded, purchase.currency)} was given back to you.`, text: 'The course stays yours.', actions: [course('Go to the course', true)] };
    case 'disputed':
      return { tone: 'plain', title: 'Your bank disputes this payment.', text: 'The course stays in your account while the dispute is open.', actions: [course('Go to the course')] };
    default:
      return { tone: 'plain', title: 'This purchase has changed.', text: 'Reload the page in a moment to see how it stands.', actions: [] };
  }
}

const WHY = {
  insufficient_funds: 'There was not enough money for it.',
  expired_card: 'The card has expired.',
  incorrect_cvc: 'The card’s security code was not right.',
  processing_error: 'The card could not be processed.',
};

function why(failure) {
  return WHY[failure?.decline_code] ?? WHY[failure?.code] ?? 'The card was declined.';
}

function show(heard) {
  const fresh = Date.now() - Date.parse(heard.updated_at) < FRESH_MS && looks <= FRESH_LOOKS;
  const purchase = heard.status === 'failed' && fresh ? { ...heard, status: 'pending' } : heard;
  const stage = `${purchase.status} ${looks >= LATE_LOOKS} ${looks >= LAST_LOOK} ${purchase.refunded}`;
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
      fact('Course', purchase.course_title),
      fact('Price', format(purchase.amount, purchase.currency)),
      fact('Status', statusLabel(purchase.status)),
      fact(ownsCourse(purchase.status) && purchase.paid_at ? 'Paid' : 'Begun', date((ownsCourse(purchase.status) && purchase.paid_at) || purchase.created_at, true)),
      fact('Number', h('code', { class: 'breakable' }, purchase.id)),
    ),
    refunds(purchase),
    h('div', { class: 'actions' }, purchase.paid_at && button('Print the receipt', () => window.print()), linkButton('All my purchases', '/account.html#purchases')),
  ].filter(Boolean));
}

/** What was given back, a line each. */
function refunds({ refunds: all = [], currency }) {
  const made = all.filter(({ status }) => status !== 'failed');
  if (made.length === 0) return null;
  return h(
    'section',
    { 'aria-labelledby': 'refunds-title' },
    h('h2', { id: 'refunds-title' }, 'Given back'),
    h('ul', { class: 'lines' }, made.map((refund) => h('li', {}, date(refund.created_at), h('span', {}, refund.status === 'pending' ? 'on its way' : 'done'), h('strong', {}, format(refund.amount, currency))))),
  );
}

const fact = (name, value) => h('div', {}, h('dt', {}, name), h('dd', {}, value));

/** Asks for the same purchase again: it goes on where it stopped, or with a new attempt. */
async function goOn(purchase, expected) {
  trouble.replaceChildren();
  const box = await buy(purchase.course_id, expected);
  if (box.dataset.code === 'already_owned') {
    shown = '';
    lookAgain();
    return;
  }
  if (box.dataset.code === 'price_changed') {
    box.append(linkButton('See the course', `/course.html?slug=${encodeURIComponent(purchase.course_slug)}`));
  }
  say(trouble, box);
}

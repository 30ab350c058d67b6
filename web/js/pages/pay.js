import { api, part } from '../api.js';
import { charge, leaveFor, lostPayment, purchasePage, refusal } from '../checkout.js';
import { format } from '../money.js';
import { problem } from '../problems.js';
import { requiredSession, showNavigation } from '../session.js';
import { platform, publishableKey, stripeJs } from '../stripe-js.js';
import { byId, courseAddress, h, linkButton, notice, onSubmit, say, setTitle, skeleton } from '../ui.js';

const slug = new URLSearchParams(window.location.search).get('slug') ?? '';
const coursePage = courseAddress(slug);
const outcome = byId('outcome');
const order = byId('order');
const form = byId('form');

byId('back').href = coursePage;
showNavigation();
order.append(skeleton(2));
start();

async function start() {
  try {
    await requiredSession();
    const [course, key] = await Promise.all([api.get(`/courses/${part(slug)}`, { cache: 'no-store' }), publishableKey()]);
    const toCourse = [linkButton('Back to the course', coursePage, { class: 'button button-main' })];
    if (course.owned) say(outcome, notice('good', 'You already own this course.', '', toCourse));
    else if (!key) say(outcome, notice('plain', 'You can’t pay by card on this page.', 'Pay on Stripe’s page instead, from the course.', toCourse));
    else await offer(course, key);
    if (form.hidden) order.replaceChildren();
  } catch (error) {
    order.replaceChildren();
    say(outcome, error.status === 404 ? notice('bad', 'This course isn’t for sale.', '', [linkButton('All courses', '/')]) : problem('We couldn’t load the card form.', error, { retry: () => window.location.reload() }));
  } finally {
    order.removeAttribute('aria-busy');
  }
}

/** The fields are in Stripe's frame, so they get the page's colours by value, not through the style sheet. */
function appearance() {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return {
    theme: 'stripe',
    variables: {
      colorPrimary: colour('--accent'),
      colorBackground: colour('--surface'),
      colorText: colour('--ink'),
      colorTextSecondary: colour('--muted'),
      colorDanger: colour('--bad'),
      borderRadius: '8px',
    },
  };
}

async function offer(course, key) {
  const { amount, currency } = course.price;
  const makeStripe = await stripeJs();
  const stripe = makeStripe(key);
  // The payment is made by the API, with the method that the fields give: https://docs.stripe.com/payments/accept-a-payment-deferred
  const elements = stripe.elements({ mode: 'payment', amount, currency, paymentMethodCreation: 'manual', paymentMethodTypes: ['card'], appearance: appearance() });
  setTitle(`Pay for ${course.title}`);
  const { refund_policy_url: policy } = await platform();
  order.replaceChildren(
    h('p', { class: 'lead', dir: 'auto' }, course.title),
    h('p', { class: 'price price-large' }, format(amount, currency)),
    ...(policy ? [h('p', { class: 'muted small' }, h('a', { href: policy, target: '_blank', rel: 'noopener' }, 'Refund policy'))] : []),
  );
  byId('pay').textContent = `Pay ${format(amount, currency)}`;
  form.hidden = false;
  elements.create('payment').mount('#payment-element');
  onSubmit(form, () => pay({ stripe, elements, makeStripe, key, course }));
}

/** Reads the card, charges it through the API, and completes authentication. */
async function pay({ stripe, elements, makeStripe, key, course }) {
  say(outcome, null);
  const began = Date.now();
  try {
    const { error: incomplete } = await elements.submit();
    // Stripe's fields show what is missing.
    if (incomplete) return;
    const { paymentMethod, error: refused } = await stripe.createPaymentMethod({ elements });
    if (refused) {
      say(outcome, notice('bad', 'Your card wasn’t accepted.', refused.message ?? 'Check the details, or use another card.'));
      return;
    }
    const answer = await charge({ course_id: course.id, expected_amount: course.price.amount, expected_currency: course.price.currency, payment_method: paymentMethod.id });
    if (answer.purchase.status === 'requires_action') await authenticate(answer, { stripe, makeStripe, key });
    window.location.assign(purchasePage(answer.purchase.id));
    await new Promise(() => {});
  } catch (error) {
    const why = () => (error.code ? refusal(error) : problem('We couldn’t start the payment.', error));
    say(outcome, error.isOutage ? lostPayment(course.id, began) : why());
    outcome.scrollIntoView({ block: 'nearest' });
  }
}

/** The buyer's bank authenticates in a frame over this page, or on its own page. The purchase page finds out the result. */
async function authenticate(answer, { stripe, makeStripe, key }) {
  if (!answer.client_secret) {
    if (answer.next_action_url) {
      leaveFor(answer.next_action_url);
      await new Promise(() => {});
    }
    return;
  }
  // For direct charges, the payment is on the seller's account.
  const at = answer.stripe_account ? makeStripe(key, { stripeAccount: answer.stripe_account }) : stripe;
  await at.handleNextAction({ clientSecret: answer.client_secret });
}

/** A seller's membership offer. */

import { api, part } from './api.js';
import { leastPrice, offerCurrencies } from './currencies.js';
import { example, format, parse, toField } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { withTerms } from './terms.js';
import { busy, byId, confirmed, notice, onSubmit, say } from './ui.js';

const outcome = byId('membership-outcome');
const form = byId('membership-form');
const field = (name) => form.elements.namedItem(name);

const UNAVAILABLE =
  'Buyers can join once your Stripe account can be charged for memberships: the settings show how it stands. An account that is only paid out can’t offer them across borders.';

/** Shows the offer in its form and connects its buttons. */
export async function membership(user) {
  const path = `/sellers/${part(user.id)}/membership`;
  const end = byId('membership-end');
  end.addEventListener('click', () => busy(end, () => stop(path)));
  onSubmit(form, (values) => save(path, values));
  await load(path);
}

async function load(path) {
  say(outcome, null);
  try {
    const offer = await api.get(path, { cache: 'no-store' });
    await offerCurrencies(field('currency'), offer.currency);
    fill(offer);
    if (offer.offered && !offer.available) say(outcome, notice('plain', 'Nobody can join at the moment.', UNAVAILABLE));
  } catch (error) {
    say(outcome, problem('We couldn’t load your membership.', error, { retry: () => load(path) }));
  }
}

function fill(offer) {
  if (!offer.offered) {
    byId('membership-end').hidden = true;
    return;
  }
  field('title').value = offer.title;
  field('currency').value = offer.currency;
  for (const name of ['monthly', 'yearly']) field(name).value = offer[name] ? toField(offer[name].amount, offer.currency) : '';
  byId('membership-end').hidden = false;
}

async function save(path, values) {
  say(outcome, null);
  const offer = { title: values.title, currency: values.currency };
  for (const name of ['monthly', 'yearly'].filter((one) => values[one].trim() !== '')) {
    const price = parse(values[name], values.currency);
    const least = leastPrice(values.currency);
    const fault = price.fault ?? (price.amount < least && `The lowest price is ${format(least, values.currency)}.`);
    if (fault) {
      say(outcome, notice('bad', 'Nothing was saved.', fault));
      field(name).focus();
      return;
    }
    offer[name] = { amount: price.amount };
  }
  if (!offer.monthly && !offer.yearly) {
    say(outcome, notice('bad', 'Nothing was saved.', `Enter a monthly price, a yearly price or both, for example ${example(values.currency)}.`));
    field('monthly').focus();
    return;
  }
  await ask(() => api.post(path, offer), 'Nothing was saved.', 'Saved. Your membership is shown next to your courses.');
}

async function stop(path) {
  const sure = await confirmed({
    title: 'Stop offering this membership?',
    text: 'Nobody new can join. Current members stay members and keep paying.',
    yes: 'Stop offering',
    no: 'Keep offering',
  });
  if (!sure) return;
  await ask(async () => (await api.delete(path)) ?? { offered: false }, 'The membership is still offered.', 'The membership is no longer offered.');
}

async function ask(work, failure, done) {
  say(outcome, null);
  try {
    const offer = await withTerms(work);
    say(outcome, notice('good', done, offer.offered && !offer.available && ['Nobody can join yet. ', UNAVAILABLE]));
    fill(offer);
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem(failure, error));
  }
}

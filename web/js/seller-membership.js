/** What a seller offers to members. */

import { api, part } from './api.js';
import { offerCurrencies } from './currencies.js';
import { fractionDigits, parse, toMajor } from './money.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, byId, confirmed, notice, onSubmit, say } from './ui.js';

const outcome = byId('membership-outcome');
const form = byId('membership-form');
const field = (name) => form.elements.namedItem(name);

/** Shows the offer in its form and makes its buttons work. */
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
    show(offer);
  } catch (error) {
    say(outcome, problem('We could not load your membership.', error, { retry: () => load(path) }));
  }
}

function show(offer) {
  if (!offer.offered) {
    byId('membership-end').hidden = true;
    return;
  }
  field('title').value = offer.title;
  field('currency').value = offer.currency;
  for (const name of ['monthly', 'yearly']) field(name).value = offer[name] ? toMajor(offer[name].amount, offer.currency) : '';
  byId('membership-end').hidden = false;
}

async function save(path, values) {
  say(outcome, null);
  const offer = { title: values.title, currency: values.currency };
  for (const name of ['monthly', 'yearly'].filter((one) => values[one].trim() !== '')) {
    const price = parse(values[name], values.currency);
    if (price.fault) {
      say(outcome, notice('bad', 'Nothing was saved.', price.fault));
      field(name).focus();
      return;
    }
    offer[name] = { amount: price.amount };
  }
  if (!offer.monthly && !offer.yearly) {
    const example = fractionDigits(values.currency) === 0 ? '5000' : '10.00';
    say(outcome, notice('bad', 'Nothing was saved.', `Give a price by the month, by the year, or both, such as ${example}.`));
    field('monthly').focus();
    return;
  }
  await ask(() => api.post(path, offer), 'Nothing was saved.', 'Your membership is offered beside your courses.');
}

async function stop(path) {
  const sure = await confirmed({
    title: 'End the offer?',
    text: 'Nobody can become a member any more. Who is one stays one, and goes on paying.',
    yes: 'End the offer',
    no: 'Go on offering it',
  });
  if (!sure) return;
  await ask(async () => (await api.delete(path)) ?? { offered: false }, 'The offer was not ended.', 'The membership is not offered any more.');
}

async function ask(work, failure, done) {
  say(outcome, null);
  try {
    show(await work());
    say(outcome, notice('good', done));
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem(failure, error));
  }
}

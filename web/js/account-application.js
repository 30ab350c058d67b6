/** Asking to become a seller. */

import { api } from './api.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { byId, date, h, notice, onSubmit, say } from './ui.js';

const root = byId('sell-here');
const outcome = byId('sell-outcome');

/** Shows the user's application, or a form for one; nothing to those who are sellers. */
export async function application(user) {
  byId('sell').hidden = user.is_seller;
  if (user.is_seller) return;
  try {
    const { application: own } = await api.get('/users/me/application', { cache: 'no-store' });
    show(own);
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Your application couldn’t be loaded.', error, { retry: () => application(user) }));
  }
}

function show(own) {
  say(outcome, null);
  if (own && !own.declined) {
    root.replaceChildren(notice('plain', 'Your application is waiting for the staff.', ['You sent it on ', date(own.at), '. You get an email once they have decided.']));
    return;
  }
  const answer = own && notice('plain', 'Your last application was declined.', ['The staff wrote: ', h('bdi', {}, own.declined.note)]);
  if (own && new Date(own.declined.apply_again_at) > new Date()) {
    root.replaceChildren(answer, h('p', {}, 'You can apply again from ', date(own.declined.apply_again_at), '.'));
    return;
  }
  const form = h(
    'form',
    { class: 'form card form-narrow', 'aria-labelledby': 'sell-title' },
    h(
      'div',
      { class: 'field' },
      h('label', { for: 'application-text' }, 'About you and your courses'),
      h('textarea', { id: 'application-text', name: 'text', rows: '5', dir: 'auto', maxlength: '2000', required: true }),
    ),
    h('div', { class: 'actions' }, h('button', { class: 'button', type: 'submit', disabled: true }, 'Apply')),
  );
  onSubmit(form, apply);
  root.replaceChildren(...[answer, form].filter(Boolean));
}

async function apply(values) {
  say(outcome, null);
  try {
    const { application: own } = await api.post('/users/me/application', values);
    show(own);
    say(outcome, notice('good', 'Your application was sent.'));
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('Your application wasn’t sent.', error));
  }
}

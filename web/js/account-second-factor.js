/** The second factor in the account's settings: set up, recovery codes, switch off. */

import { api } from './api.js';
import { withCode } from './code.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, button, byId, h, notice, onSubmit, say } from './ui.js';

const PATH = '/users/me/second-factor';
const groups = (text) => text.match(/.{1,4}/g).join(' ');

/** Shows the section for this user. */
export function secondFactor(user) {
  const root = byId('factor');
  const outcome = byId('factor-outcome');

  if (user.second_factor) showOn(user.recovery_codes_left);
  else showOff();

  function show(...content) {
    root.replaceChildren(...content);
  }

  function failed(title, error) {
    if (error.code === 'not_signed_in') goToLogin();
    else say(outcome, problem(title, error));
  }

  function showOff() {
    const start = button('Set up', () => busy(start, begin));
    show(h('p', {}, 'It’s off. With it, logging in also takes a code from an authenticator app on your phone or computer, so your password alone isn’t enough.'), h('div', { class: 'actions' }, start));
  }

  async function begin() {
    say(outcome, null);
    try {
      showSecret(await withPassword(() => api.post(PATH, {})));
    } catch (error) {
      failed('It wasn’t set up.', error);
    }
  }

  function showSecret({ secret, uri }) {
    const field = h('input', { id: 'factor-code', name: 'code', inputmode: 'numeric', autocomplete: 'one-time-code', maxlength: 16, required: true });
    const form = h(
      'form',
      { class: 'form', 'aria-labelledby': 'factor-title' },
      h('p', {}, 'Add this key to your authenticator app, or ', h('a', { href: uri }, 'open it in the app'), ' on this device.'),
      h('p', {}, h('code', { id: 'factor-secret' }, groups(secret))),
      h('div', { class: 'field' }, h('label', { for: 'factor-code' }, 'Code that the app shows now'), field),
      h('div', { class: 'actions' }, button('Cancel', showOff), h('button', { class: 'button button-main', type: 'submit' }, 'Switch on')),
    );
    onSubmit(form, async (values) => {
      say(outcome, null);
      try {
        const { recovery_codes: codes } = await withPassword(() => api.put(PATH, values));
        showCodes(codes);
      } catch (error) {
        if (error.code === 'second_factor_wrong') say(outcome, notice('bad', 'That code isn’t right.', 'Check that your device’s clock is right, and try the code that the app shows now.'));
        else failed('It wasn’t switched on.', error);
        field.select();
      }
    });
    show(form);
    field.focus();
  }

  function showCodes(codes) {
    const done = button('I’ve saved them', () => showOn(codes.length), { class: 'button button-main' });
    show(
      h(
        'div',
        { class: 'form' },
        h('p', { id: 'factor-codes-text' }, 'Save these recovery codes somewhere safe. If you lose your app, each of them logs you in once. You won’t see them again.'),
        h('ul', { 'aria-labelledby': 'factor-codes-text' }, codes.map((code) => h('li', {}, h('code', {}, code)))),
        h('div', { class: 'actions' }, done),
      ),
    );
    say(outcome, notice('good', 'Your second factor is on.'));
    done.focus();
  }

  function showOn(left) {
    const stop = button('Switch off', () => busy(stop, end));
    show(
      h('p', {}, `It’s on: logging in takes a code from your authenticator app. You have ${left} recovery ${left === 1 ? 'code' : 'codes'} left. For new ones, switch it off and set it up again.`),
      h('div', { class: 'actions' }, stop),
    );
  }

  async function end() {
    say(outcome, null);
    try {
      await withPassword(() => withCode((code = '') => api.delete(PATH, { body: { code } })));
      showOff();
      say(outcome, notice('good', 'Your second factor is off.'));
    } catch (error) {
      failed('It’s still on.', error);
    }
  }
}

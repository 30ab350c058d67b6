/** Asks for the password where a session alone is not enough. */

import { api } from './api.js';
import { withCode } from './code.js';
import { problem } from './problems.js';
import { button, h, notice, onSubmit, say } from './ui.js';

/**
 * Makes a request. If the API wants the password first, asks for it and makes the request again.
 *
 * @template T
 * @param {() => Promise<T>} request
 * @param {string} [why] why the password is needed
 * @returns {Promise<T>} the response; throws what the request throws, also if the user did not enter the password
 */
export async function withPassword(request, why = 'Important changes need your password again after a while.') {
  try {
    return await request();
  } catch (error) {
    if (error.code !== 'password_required' || !(await entered(why))) throw error;
    return request();
  }
}

/** @returns {Promise<boolean>} whether the password was entered */
function entered(why) {
  return new Promise((resolve) => {
    const outcome = h('div', { role: 'status' });
    const field = h('input', { id: 'password-again', name: 'current_password', type: 'password', autocomplete: 'current-password', required: true });
    const form = h(
      'form',
      { class: 'form' },
      h('h2', { id: 'password-again-title' }, 'Enter your password'),
      h('p', { id: 'password-again-text' }, why),
      h('div', { class: 'field' }, h('label', { for: 'password-again' }, 'Password'), field),
      outcome,
      h('div', { class: 'actions' }, button('Cancel', () => dialog.close()), h('button', { class: 'button button-main', type: 'submit' }, 'Continue')),
    );
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'password-again-title', 'aria-describedby': 'password-again-text' }, form);
    let isEntered = false;
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(isEntered);
    });
    onSubmit(form, async (values) => {
      say(outcome, null);
      try {
        await withCode((code) => api.put('/sessions/current', { ...values, code }));
        isEntered = true;
        dialog.close();
      } catch (error) {
        const isWrong = error.code === 'bad_credentials';
        say(outcome, isWrong ? notice('bad', 'That isn’t your password.', 'Please try again.') : problem('Your password couldn’t be checked.', error));
        field.select();
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Asks for the code of a second factor where the API wants one. */

import { problem } from './problems.js';
import { button, h, notice, onSubmit, say } from './ui.js';

/**
 * Makes a request. If the API wants a code as well, asks for it and makes the request with it.
 *
 * @template T
 * @param {(code?: string) => Promise<T>} request
 * @returns {Promise<T>} the answer; throws what the request throws, also where the user entered no code
 */
export async function withCode(request) {
  try {
    return await request();
  } catch (error) {
    if (error.code !== 'second_factor_required') throw error;
    return ask(request, error);
  }
}

function ask(request, wanted) {
  return new Promise((resolve, reject) => {
    const outcome = h('div', { role: 'status' });
    const field = h('input', { id: 'code-field', name: 'code', autocomplete: 'one-time-code', autocapitalize: 'characters', spellcheck: 'false', required: true });
    const form = h(
      'form',
      { class: 'form' },
      h('h2', { id: 'code-title' }, 'Enter your code'),
      h('p', { id: 'code-text' }, 'Open your authenticator app and type the six digits that it shows. A recovery code works too. Each code works once.'),
      h('div', { class: 'field' }, h('label', { for: 'code-field' }, 'Code'), field),
      outcome,
      h('div', { class: 'actions' }, button('Cancel', () => dialog.close()), h('button', { class: 'button button-main', type: 'submit' }, 'Continue')),
    );
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'code-title', 'aria-describedby': 'code-text' }, form);
    let settle = () => reject(wanted);
    dialog.addEventListener('close', () => {
      dialog.remove();
      settle();
    });
    onSubmit(form, async ({ code }) => {
      say(outcome, null);
      try {
        const answer = await request(code);
        settle = () => resolve(answer);
        dialog.close();
      } catch (error) {
        if (!['second_factor_wrong', 'second_factor_required'].includes(error.code)) {
          settle = () => reject(error);
          dialog.close();
          return;
        }
        say(outcome, error.code === 'second_factor_wrong' ? notice('bad', 'That code isn’t right.', 'Or it was used before. Try the next one that your app shows.') : problem('We need a code.', error));
        field.select();
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

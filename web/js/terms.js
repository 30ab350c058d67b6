/** The operator's terms of use, if there are any. */

import { api } from './api.js';
import { problem } from './problems.js';
import { busy, button, h, notice, onSubmit, say } from './ui.js';

/** Opens beside this page, so that nothing entered here is lost. */
export const termsLink = ({ url }) => h('a', { href: url, target: '_blank', rel: 'noopener' }, 'terms of use');

const accept = ({ version }) => api.put('/users/me/terms-of-use', { version });

/**
 * Makes a request. If the API wants the terms of use accepted first, asks for that and makes the request again.
 *
 * @template T
 * @param {() => Promise<T>} request
 * @returns {Promise<T>} the response; throws what the request throws, also if the user did not accept
 */
export async function withTerms(request) {
  try {
    return await request();
  } catch (error) {
    if (error.code !== 'terms_not_accepted' || !(await accepted(error.body.terms_of_use))) throw error;
    return request();
  }
}

/** @returns {Promise<boolean>} whether the terms were accepted */
function accepted(terms) {
  return new Promise((resolve) => {
    const outcome = h('div', { role: 'status' });
    const form = h(
      'form',
      { class: 'form' },
      h('h2', { id: 'terms-title' }, 'Accept the terms of use?'),
      h('p', { id: 'terms-text' }, 'To continue, please read and accept our ', termsLink(terms), '.'),
      outcome,
      h('div', { class: 'actions' }, button('Cancel', () => dialog.close()), h('button', { class: 'button button-main', type: 'submit' }, 'Accept')),
    );
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'terms-title', 'aria-describedby': 'terms-text' }, form);
    let isAccepted = false;
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(isAccepted);
    });
    onSubmit(form, async () => {
      say(outcome, null);
      try {
        await accept(terms);
        isAccepted = true;
        dialog.close();
      } catch (error) {
        say(outcome, problem('Your answer wasn’t saved.', error));
      }
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Asks a user for terms that hold now and that they have not accepted. */
export function askForTerms(region, user, terms) {
  if (!terms || user.accepted_terms?.version === terms.version) return;
  const yes = button('Accept', () => busy(yes, answer), { class: 'button button-main' });
  say(region, notice('plain', 'Please accept our terms of use.', ['Before you buy or offer something, please read and accept our ', termsLink(terms), '.'], [yes]));

  async function answer() {
    try {
      await accept(terms);
      say(region, notice('good', 'You accepted the terms of use.'));
    } catch (error) {
      say(region, problem('Your answer wasn’t saved.', error, { actions: [yes] }));
    }
  }
}

/**
 * A box to tick, for a form.
 *
 * @param {Element} place what it is put into; emptied if there are no terms
 * @param {{url: string, version: string}} [terms]
 */
export function termsBox(place, terms) {
  const box = terms && h('div', { class: 'check' }, h('input', { id: 'terms-box', type: 'checkbox', name: 'terms_version', value: terms.version, required: true }), h('label', { for: 'terms-box' }, 'I accept the ', termsLink(terms)));
  place.replaceChildren(...(box ? [box] : []));
}

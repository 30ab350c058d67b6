/** Who asks to become a seller, for staff. */

import { api, part } from './api.js';
import { pagedList } from './list.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { userAddress } from './roles.js';
import { goToLogin } from './session.js';
import { busy, button, byId, date, h, notice, onSubmit, say, table } from './ui.js';

const PAGE = 20;
const COLUMNS = [{ title: 'Email' }, { title: 'Asked' }, { title: 'Application' }, { title: 'Actions' }];

/** Shows the applications that wait, oldest first. */
export function applications() {
  const outcome = byId('application-outcome');
  let rows;
  const list = pagedList({
    root: byId('application-list'),
    name: 'applications',
    load: (cursor) => api.get('/admin/applications', { query: { limit: PAGE, cursor }, cache: 'no-store' }),
    frame: () => {
      rows = table('Applications', COLUMNS);
      return rows;
    },
    row: (one) => rows.row([h('a', { class: 'breakable', href: userAddress(one.user_id) }, one.email ?? one.user_id), date(one.at, true), h('p', { class: 'breakable', dir: 'auto' }, one.text), actions(one)]),
    empty: () => h('div', { class: 'empty' }, h('p', {}, 'Nobody is waiting to become a seller.')),
    failed: (error) => error.status === 401 && (goToLogin(), true),
    news: outcome,
  });
  return list.ready;

  function actions(one) {
    const name = one.email ?? one.user_id;
    const accept = button('Make seller', () => busy(accept, () => decide(one, () => api.patch(`/admin/users/${part(one.user_id)}`, { is_seller: true, application: one.at }), `${name} is now a seller.`)), {
      class: 'button button-small',
      'aria-label': `Make seller: ${name}`,
      'data-focus': `accept ${one.user_id}`,
    });
    const decline = button('Decline', () => ask(one, name), { class: 'button button-small', 'aria-label': `Decline: ${name}`, 'data-focus': `decline ${one.user_id}` });
    return h('div', { class: 'row-actions' }, accept, decline);
  }

  /** @returns {Promise<boolean>} whether it was done */
  async function decide(one, request, text, trouble = outcome) {
    say(trouble, null);
    try {
      await withPassword(request);
    } catch (error) {
      if (error.status === 401) goToLogin();
      else say(trouble, problem('The application wasn’t decided.', error, error.status === 404 ? { text: 'It was decided already, or written anew. Reload the page.' } : {}));
      return false;
    }
    say(outcome, notice('good', text));
    await list.reload();
    return true;
  }

  function ask(one, name) {
    const trouble = h('div', { role: 'status' });
    const form = h(
      'form',
      { class: 'form' },
      h('h2', { id: 'decline-title' }, 'Decline this application?'),
      h('p', { id: 'decline-text' }, `${name} gets an email with what you write, and can apply again in a week.`),
      h('div', { class: 'field' }, h('label', { for: 'decline-note' }, 'What to tell them'), h('textarea', { id: 'decline-note', name: 'note', rows: '4', dir: 'auto', maxlength: '2000', required: true })),
      trouble,
      h('div', { class: 'actions' }, button('Cancel', () => dialog.close()), h('button', { class: 'button button-danger', type: 'submit' }, 'Decline')),
    );
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'decline-title', 'aria-describedby': 'decline-text' }, form);
    dialog.addEventListener('close', () => dialog.remove());
    onSubmit(form, async ({ note }) => {
      const done = await decide(one, () => api.post(`/admin/applications/${part(one.user_id)}/decline`, { note, at: one.at }), `The application of ${name} was declined.`, trouble);
      if (done) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
  }
}

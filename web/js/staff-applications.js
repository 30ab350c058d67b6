/** Applications to become a seller, for staff. */

import { api, part } from './api.js';
import { pagedList } from './list.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { userAddress } from './roles.js';
import { goToLogin } from './session.js';
import { button, byId, date, h, notice, onSubmit, say, table } from './ui.js';

const PAGE = 20;
const COLUMNS = [{ title: 'Email' }, { title: 'Asked' }, { title: 'Application' }, { title: 'Actions' }];

const ACCEPT = {
  title: 'Make them a seller?',
  text: (name) => `${name} gets an email that says so, with what you write.`,
  needsNote: false,
  style: 'button button-main',
  verb: 'Make seller',
  send: (one, note) => api.patch(`/admin/users/${part(one.user_id)}`, { is_seller: true, application: one.at, ...(note && { note }) }),
  done: (name) => `${name} is now a seller.`,
};

const DECLINE = {
  title: 'Decline this application?',
  text: (name) => `${name} gets an email with what you write, and can apply again in a week.`,
  needsNote: true,
  style: 'button button-danger',
  verb: 'Decline',
  send: (one, note) => api.post(`/admin/applications/${part(one.user_id)}/decline`, { note, at: one.at }),
  done: (name) => `The application of ${name} was declined.`,
};

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
    const accept = button('Make seller', () => ask(one, ACCEPT, name), { class: 'button button-small', 'aria-label': `Make seller: ${name}`, 'data-focus': `accept ${one.user_id}` });
    const decline = button('Decline', () => ask(one, DECLINE, name), { class: 'button button-small', 'aria-label': `Decline: ${name}`, 'data-focus': `decline ${one.user_id}` });
    return h('div', { class: 'row-actions' }, accept, decline);
  }

  /** @returns {Promise<boolean>} whether it was done */
  async function decide(one, request, text, trouble) {
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

  function ask(one, decision, name) {
    const trouble = h('div', { role: 'status' });
    const form = h(
      'form',
      { class: 'form' },
      h('h2', { id: 'decision-title' }, decision.title),
      h('p', { id: 'decision-text' }, decision.text(name)),
      h(
        'div',
        { class: 'field' },
        h('label', { for: 'decision-note' }, 'What to tell them', decision.needsNote ? '' : [' ', h('span', { class: 'optional' }, '(optional)')]),
        h('textarea', { id: 'decision-note', name: 'note', rows: '4', dir: 'auto', maxlength: '2000', required: decision.needsNote }),
      ),
      trouble,
      h('div', { class: 'actions' }, button('Cancel', () => dialog.close()), h('button', { class: decision.style, type: 'submit' }, decision.verb)),
    );
    const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': 'decision-title', 'aria-describedby': 'decision-text' }, form);
    dialog.addEventListener('close', () => dialog.remove());
    onSubmit(form, async ({ note }) => {
      if (await decide(one, () => decision.send(one, note.trim()), decision.done(name), trouble)) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
  }
}

/** A seller's page for everybody, as a form at the seller desk. */

import { api } from './api.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { button, byId, h, notice, onSubmit, say, sellerAddress } from './ui.js';

/** As the API. */
const LINKS_MAX = 8;

const outcome = byId('page-outcome');
const form = byId('page-form');
const rows = byId('page-link-rows');
const more = byId('page-link-add');
const field = (name) => form.elements.namedItem(name);

/** Shows the page in its form and connects its buttons. */
export async function pageForm() {
  more.addEventListener('click', () => {
    addRow();
    number();
    rows.lastElementChild.querySelector('input').focus();
  });
  onSubmit(form, save);
  await load();
}

async function load() {
  say(outcome, null);
  try {
    show(await api.get('/users/me/page', { cache: 'no-store' }));
  } catch (error) {
    if (error.status === 401) goToLogin();
    else say(outcome, problem('We couldn’t load your page.', error, { retry: load }));
  }
}

function show(page) {
  for (const name of ['name', 'handle', 'text']) field(name).value = page[name] ?? '';
  rows.replaceChildren();
  for (const link of page.links) addRow(link);
  number();
  const address = byId('page-address');
  address.hidden = !page.handle;
  if (page.handle) address.replaceChildren('It’s at ', h('a', { href: sellerAddress(page.handle), id: 'page-preview' }, new URL(sellerAddress(page.handle), window.location).href), '. A change can take two minutes to show there.');
}

function addRow({ title = '', url = '' } = {}) {
  const remove = button('Remove', () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    number();
    (next?.querySelector('input') ?? more).focus();
  }, { class: 'button button-small' });
  const input = (kind, value, attributes) => h('div', { class: 'field' }, h('label', {}), h('input', { 'data-kind': kind, value, autocomplete: 'off', required: true, ...attributes }));
  const row = h(
    'div',
    { class: 'field-row link-row' },
    input('title', title, { type: 'text', dir: 'auto', maxlength: '60' }),
    input('url', url, { type: 'url', maxlength: '300', pattern: 'https://.+', title: 'An address that begins with https://', placeholder: 'https://', spellcheck: 'false' }),
    remove,
  );
  rows.append(row);
}

/** Names the fields of each link after its place in the list. */
function number() {
  for (const [at, row] of [...rows.children].entries()) {
    for (const input of row.querySelectorAll('input')) {
      input.id = `page-link-${input.dataset.kind}-${at + 1}`;
      input.previousElementSibling.htmlFor = input.id;
      input.previousElementSibling.textContent = `${input.dataset.kind === 'title' ? 'Title' : 'Address'} of link ${at + 1}`;
    }
    row.querySelector('button').setAttribute('aria-label', `Remove link ${at + 1}`);
  }
  more.hidden = rows.children.length >= LINKS_MAX;
}

async function save({ name, handle, text }) {
  say(outcome, null);
  const links = [...rows.children].map((row) => Object.fromEntries([...row.querySelectorAll('input')].map((input) => [input.dataset.kind, input.value.trim()])));
  try {
    show(await api.patch('/users/me/page', { name, text, links, ...(handle && { handle }) }));
    say(outcome, notice('good', 'Your page is saved.'));
  } catch (error) {
    if (error.status === 401) {
      goToLogin();
      return;
    }
    const hint = error.code === 'invalid_request' ? { text: 'Check the name, the text, the address and the links: a hidden character, a reserved address or an unusual link can’t be saved, and your page can have had ten addresses.' } : {};
    say(outcome, problem('Your page wasn’t saved.', error, hint));
    if (error.code === 'handle_taken') field('handle').focus();
  }
}

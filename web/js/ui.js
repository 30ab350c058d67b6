/** Building blocks of pages. All text goes in as text: nothing here reads markup. */

/**
 * Makes an element.
 *
 * @param {string} tag
 * @param {object} [attributes] `onclick` and the like are listeners; `true` is an attribute without a value; `false`,
 *   `null` and `undefined` leave it out
 * @param {...(Node|string|null|undefined|false|Array)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Names the page, before the site's own name. */
export function setTitle(text) {
  document.title = `${text} – ${document.querySelector('.brand').textContent.trim()}`;
}

/** A date, as people write it where they are. */
export function date(text, withTime = false) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return '';
  const style = withTime ? { dateStyle: 'medium', timeStyle: 'short' } : { dateStyle: 'medium' };
  return h('time', { datetime: text }, new Intl.DateTimeFormat(undefined, style).format(at));
}

/**
 * A box with news: what happened, and what can be done about it.
 *
 * @param {'good'|'bad'|'plain'} tone
 * @param {string} title
 * @param {string|Node|Array} [text]
 * @param {Node[]} [actions]
 */
export function notice(tone, title, text = '', actions = []) {
  const name = { good: 'Done', bad: 'Problem', plain: 'Note' }[tone];
  return h(
    'div',
    { class: `notice notice-${tone}` },
    h('p', { class: 'notice-title' }, h('span', { class: 'hidden' }, `${name}: `), title),
    text && h('p', {}, text),
    actions.length > 0 && h('div', { class: 'actions' }, actions),
  );
}

/** Puts a notice, or nothing, into a live region of the page. Trouble interrupts a screen reader, other news waits. */
export function say(region, box) {
  region.setAttribute('role', box?.classList.contains('notice-bad') ? 'alert' : 'status');
  region.replaceChildren(...(box ? [box] : []));
}

/** A button that does something on this page. */
export function button(text, onclick, attributes = {}) {
  return h('button', { type: 'button', class: 'button', onclick, ...attributes }, text);
}

/** A link that looks like a button. */
export function linkButton(text, href, attributes = {}) {
  return h('a', { class: 'button', href, ...attributes }, text);
}

/**
 * Runs `work` unless it is running already, with the button out of use meanwhile.
 *
 * The button stays focusable: a disabled one would drop the keyboard's place.
 */
export async function busy(control, work) {
  if (control.getAttribute('aria-disabled') === 'true') return;
  control.setAttribute('aria-disabled', 'true');
  control.classList.add('is-busy');
  try {
    await work();
  } finally {
    control.removeAttribute('aria-disabled');
    control.classList.remove('is-busy');
  }
}

/**
 * Hands a form's values to `work` on submit, once at a time.
 *
 * The pages bring the button out of use: whoever is quicker than the scripts would send the form to a page that takes none.
 *
 * @param {HTMLFormElement} form
 * @param {(values: Record<string, string>) => Promise<void>} work
 */
export function onSubmit(form, work) {
  const submit = form.querySelector('[type=submit]');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    busy(submit, () => work(Object.fromEntries(new FormData(form))));
  });
  submit.disabled = false;
}

/**
 * Asks before something that cannot be taken back.
 *
 * @returns {Promise<boolean>} whether the answer was yes
 */
export function confirmed({ title, text, yes, no = 'Cancel' }) {
  return new Promise((resolve) => {
    const dialog = h(
      'dialog',
      { class: 'dialog', 'aria-labelledby': 'dialog-title', 'aria-describedby': 'dialog-text' },
      h(
        'form',
        { method: 'dialog' },
        h('h2', { id: 'dialog-title' }, title),
        h('p', { id: 'dialog-text' }, text),
        h(
          'div',
          { class: 'actions' },
          h('button', { class: 'button', value: 'no', autofocus: true }, no),
          h('button', { class: 'button button-danger', value: 'yes' }, yes),
        ),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Lines that stand where a text will. */
export const skeleton = (count = 3) => h('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: count }, () => h('span')));

/** A table that turns into cards where it is narrow, and stays a table for screen readers. */
export function table(caption, columns) {
  const body = h('tbody', { role: 'rowgroup' });
  const root = h(
    'table',
    { class: 'table', role: 'table' },
    h('caption', { class: 'hidden' }, caption),
    h(
      'thead',
      { role: 'rowgroup' },
      h('tr', { role: 'row' }, columns.map(({ title, number }) => h('th', { role: 'columnheader', scope: 'col', class: number && 'number' }, title))),
    ),
    body,
  );
  return {
    root,
    body,
    /** A row with one cell a column. */
    row: (cells) =>
      h(
        'tr',
        { role: 'row' },
        cells.map((cell, index) => h('td', { role: 'cell', 'data-title': columns[index].title, class: columns[index].number && 'number' }, cell)),
      ),
  };
}

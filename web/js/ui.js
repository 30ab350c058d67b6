/** Building blocks of pages. Text is always inserted as text: nothing here parses markup. */

/**
 * Creates an element.
 *
 * @param {string} tag
 * @param {object} [attributes] `onclick` etc. are listeners; `true` is an attribute without a value; `false`,
 *   `null` and `undefined` are skipped
 * @param {...(Node|string|null|undefined|false|Array)} children
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  // One by one: as arguments of one call, the parts of a long text would overflow the stack.
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) element.append(child);
  return element;
}

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/**
 * The URL of a course: its public page by its slug, or by its id the page for those who have it, which survives the course's deletion.
 */
export const courseAddress = (named) => (named.startsWith('crs_') ? `/course.html?id=${encodeURIComponent(named)}` : `/courses/${encodeURIComponent(named)}`);

/** The URL of a seller's page. */
export const sellerAddress = (handle) => `/sellers/${encodeURIComponent(handle)}`;

/** User-written text, whose direction does not depend on the surrounding text. */
export const bdi = (text) => h('bdi', {}, text);

/** Sets the page's title, followed by the site's name. */
export function setTitle(text) {
  document.title = `${text} – ${document.querySelector('.brand').textContent.trim()}`;
}

/** A date in the user's locale. */
export function date(text, withTime = false) {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return '';
  const style = withTime ? { dateStyle: 'medium', timeStyle: 'short' } : { dateStyle: 'medium' };
  return h('time', { datetime: text }, new Intl.DateTimeFormat(undefined, style).format(at));
}

/**
 * A notice: what happened, and what to do about it.
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

/** Puts a notice, or nothing, into a live region of the page. Errors interrupt a screen reader, other notices wait. */
export function say(region, box) {
  region.setAttribute('role', box?.classList.contains('notice-bad') ? 'alert' : 'status');
  region.replaceChildren(...(box ? [box] : []));
}

/** A button with an action on this page. */
export function button(text, onclick, attributes = {}) {
  return h('button', { type: 'button', class: 'button', onclick, ...attributes }, text);
}

/** A link that looks like a button. */
export function linkButton(text, href, attributes = {}) {
  return h('a', { class: 'button', href, ...attributes }, text);
}

/**
 * Runs `work` unless it is already running, with the button disabled until it ends.
 *
 * The button stays focusable, because a disabled one would lose the focus.
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
 * Passes a form's values to `work` on submit, one submit at a time.
 *
 * The button is disabled in the HTML: before the scripts have loaded, a submit would send the form to a page that does not accept it.
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
 * Asks for confirmation before something that cannot be undone.
 *
 * @returns {Promise<boolean>} whether the answer was yes
 */
export function confirmed({ title, text, yes, no = 'Cancel', isHarmless = false }) {
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
          h('button', { class: isHarmless ? 'button button-main' : 'button button-danger', value: 'yes' }, yes),
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

/**
 * A menu of less common actions behind one button.
 *
 * @param {string} text
 * @param {object} attributes of the button
 * @param {Element[]} items
 */
export function menu(text, attributes, items) {
  const head = h('summary', { class: 'button button-small', ...attributes }, text);
  const root = h('details', { class: 'menu' }, head, h('div', { class: 'menu-list' }, items));
  const close = () => root.removeAttribute('open');
  // A dialog that an item opens returns the focus to it.
  const isElsewhere = (target) => !root.contains(target) && !target.closest('dialog');
  const leave = (event) => isElsewhere(event.target) && close();
  root.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !root.open) return;
    close();
    head.focus();
  });
  root.addEventListener('focusout', (event) => event.relatedTarget && isElsewhere(event.relatedTarget) && close());
  root.addEventListener('toggle', () => {
    if (root.open) document.addEventListener('pointerdown', leave);
    else document.removeEventListener('pointerdown', leave);
  });
  return root;
}

/** Placeholder lines for text. */
export const skeleton = (count = 3) => h('div', { class: 'skeleton', 'aria-hidden': 'true' }, Array.from({ length: count }, () => h('span')));

/** A table that turns into cards on narrow screens, but stays a table for screen readers. */
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
    /** A row with one cell per column. */
    row: (cells) =>
      h(
        'tr',
        { role: 'row' },
        cells.map((cell, index) => h('td', { role: 'cell', 'data-title': columns[index].title, class: columns[index].number && 'number' }, cell)),
      ),
  };
}

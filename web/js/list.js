/** Paginated lists: loading, empty, error, and "show more". */

import { button, busy, h, skeleton } from './ui.js';
import { problem } from './problems.js';

/** A search may find nothing on a page and still have a next page: how many such pages to skip at once. */
const EMPTY_PAGES = 10;

/**
 * Shows a list in `root` and keeps it up to date.
 *
 * A reloaded list keeps as many rows as it had, and shows the old ones until the response has arrived, so that nothing
 * jumps. The focus is kept by `data-focus`: the element with the same value gets it afterwards.
 *
 * @param {object} options
 * @param {HTMLElement} options.root is emptied and filled
 * @param {(cursor: string|null, wanted: number) => Promise<{items: object[], next_cursor: string|null}>} options.load
 *   gets the minimum number of items to load; 0 means one page
 * @param {() => {root: Element, body?: Element}} options.frame the container of the rows
 * @param {(item: object) => Element} options.row
 * @param {() => Element} options.empty the placeholder for an empty list
 * @param {string} options.name of the items, in the plural: "courses"
 * @param {() => Element} [options.waiting] the placeholder while the first page loads
 * @param {(items: object[], complete: boolean) => void} [options.changed] called with everything that is shown
 * @param {(error: Error) => boolean} [options.failed] returns whether it handled an error itself
 * @param {Element} [options.news] where the focus moves if the focused element is gone
 * @param {number} [options.atFirst] how many to show at first
 * @returns {{reload: () => Promise<void>, restart: () => Promise<void>, ready: Promise<void>}} `restart` is a reload from the first page
 */
export function pagedList({ root, load, frame, row, empty, name, waiting = () => skeleton(4), changed = () => {}, failed = () => false, news: fallback, atFirst = 0 }) {
  let current = 0;
  /** The number of rows shown. */
  let shown = atFirst;
  let filled = false;

  // Rows that are about to be replaced are outdated, so their buttons do nothing.
  const guard = (event) => {
    if (!filled || !root.hasAttribute('aria-busy')) return;
    event.preventDefault();
    event.stopPropagation();
  };
  root.addEventListener('click', guard, { capture: true });

  async function page(cursor, wanted = 0) {
    let answer = await load(cursor, wanted);
    for (let passed = 0; answer.items.length === 0 && answer.next_cursor && passed < EMPTY_PAGES; passed += 1) {
      answer = await load(answer.next_cursor, wanted);
    }
    return answer;
  }

  /** Loads the first page, and further pages until enough rows are there. */
  async function pages(wanted) {
    const answer = await page(null, wanted);
    const items = [...answer.items];
    let next = answer.next_cursor;
    while (next && items.length < wanted) {
      const more = await page(next, wanted - items.length);
      items.push(...more.items);
      next = more.next_cursor;
    }
    return { items, next_cursor: next };
  }

  async function reload() {
    current += 1;
    const mine = current;
    root.setAttribute('aria-busy', 'true');
    if (!filled) root.replaceChildren(waiting());
    try {
      const answer = await pages(shown);
      if (mine === current) keepingFocus(() => show(answer));
    } catch (error) {
      if (mine !== current || failed(error)) return;
      filled = false;
      keepingFocus(() => root.replaceChildren(h('div', { role: 'alert' }, problem(`We couldn’t load the ${name}.`, error, { retry: reload }))));
    } finally {
      if (mine === current) root.removeAttribute('aria-busy');
    }
  }

  // For a different query, the old rows are removed immediately, so that nobody uses their buttons.
  function restart() {
    shown = 0;
    filled = false;
    return reload();
  }

  /** Replaces the rows, and moves the focus to the element that replaces the focused one. */
  function keepingFocus(replace) {
    const active = document.activeElement;
    const had = root.contains(active);
    const key = had ? active.dataset.focus : undefined;
    replace();
    if (!had) return;
    const again = key && [...root.querySelectorAll('[data-focus]')].find((one) => one.dataset.focus === key);
    const place = again || fallback || root;
    if (!again) place.setAttribute('tabindex', '-1');
    place.focus({ preventScroll: Boolean(again) });
  }

  function show(first) {
    const mine = current;
    const items = [...first.items];
    let next = first.next_cursor;
    filled = true;
    shown = items.length;
    if (items.length === 0 && !next) {
      root.replaceChildren(empty());
      changed(items, true);
      return;
    }
    const { root: framed, body = framed } = frame();
    const trouble = h('div', { role: 'alert' });
    const news = h('p', { class: 'hidden', role: 'status' });
    const more = button(`Show more ${name}`, () => busy(more, showMore), { class: 'button button-more', hidden: !next });
    body.append(...items.map(row));
    root.replaceChildren(framed, trouble, more, news);
    changed(items, !next);

    async function showMore() {
      trouble.replaceChildren();
      try {
        const answer = await page(next);
        if (mine !== current) return;
        const rows = answer.items.map(row);
        items.push(...answer.items);
        shown = items.length;
        next = answer.next_cursor;
        body.append(...rows);
        more.hidden = !next;
        news.textContent = `${rows.length} more ${name}. ${items.length} in all${next ? ' so far' : ''}.`;
        rows[0]?.querySelector('a, button')?.focus({ preventScroll: true });
        changed(items, !next);
      } catch (error) {
        trouble.replaceChildren(problem(`We couldn’t load more ${name}.`, error));
      }
    }
  }

  const ready = reload();
  return { reload, restart, ready };
}

/** Lists that come in pages: loading, empty, error, and "show more". */

import { button, busy, h, skeleton } from './ui.js';
import { problem } from './problems.js';

/** A search may find nothing in a stretch of a long list and still have a next page: how many to pass over at once. */
const EMPTY_PAGES = 5;

/**
 * Shows a list in `root` and keeps it up to date.
 *
 * @param {object} options
 * @param {HTMLElement} options.root is emptied and filled
 * @param {(cursor: string|null) => Promise<{items: object[], next_cursor: string|null}>} options.load
 * @param {() => {root: Element, body?: Element}} options.frame what the rows stand in
 * @param {(item: object) => Element} options.row
 * @param {() => Element} options.empty what stands there where there is nothing
 * @param {string} options.name of the things, in the plural: "courses"
 * @param {() => Element} [options.waiting] what stands there while the first page loads
 * @param {(items: object[], complete: boolean) => void} [options.changed] called with all that is shown
 * @param {(error: Error) => boolean} [options.failed] says whether it took care of an error itself
 * @returns {{reload: () => Promise<void>}}
 */
export function pagedList({ root, load, frame, row, empty, name, waiting = () => skeleton(4), changed = () => {}, failed = () => false }) {
  let current = 0;

  async function page(cursor) {
    let answer = await load(cursor);
    for (let passed = 0; answer.items.length === 0 && answer.next_cursor && passed < EMPTY_PAGES; passed += 1) {
      answer = await load(answer.next_cursor);
    }
    return answer;
  }

  async function reload() {
    current += 1;
    const mine = current;
    root.setAttribute('aria-busy', 'true');
    root.replaceChildren(waiting());
    try {
      const answer = await page(null);
      if (mine === current) show(answer);
    } catch (error) {
      if (mine !== current || failed(error)) return;
      root.replaceChildren(h('div', { role: 'alert' }, problem(`We could not load the ${name}.`, error, { retry: reload })));
    } finally {
      if (mine === current) root.removeAttribute('aria-busy');
    }
  }

  function show(first) {
    const mine = current;
    const items = [...first.items];
    let next = first.next_cursor;
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
        next = answer.next_cursor;
        body.append(...rows);
        more.hidden = !next;
        news.textContent = `${rows.length} more ${name}. ${items.length} in all${next ? ' so far' : ''}.`;
        rows[0]?.querySelector('a, button')?.focus({ preventScroll: true });
        changed(items, !next);
      } catch (error) {
        trouble.replaceChildren(problem(`We could not load more ${name}.`, error));
      }
    }
  }

  reload();
  return { reload };
}

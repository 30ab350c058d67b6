/**
 * Pages with several sections, of which one is shown at a time: the one named after the `#` in the URL, or the one that contains
 * the named element. The sections are links, so they can be bookmarked, shared and navigated back to.
 */

import { byId } from './ui.js';

/** A section is shown once it is complete, so that nothing moves; slow parts may come later. */
const TOGETHER_MS = 2500;

/** Shows an element's content once all the work is done or has taken too long. */
export async function together(element, work) {
  element.classList.add('is-waiting');
  await Promise.race([Promise.allSettled(work), new Promise((resolve) => setTimeout(resolve, work.some(Boolean) ? TOGETHER_MS : 0))]);
  element.classList.remove('is-waiting');
}

/** Scrolls the row of links on a narrow screen until this one is in its middle. The page itself stays where it is. */
function reveal(link) {
  const row = link.closest('ul');
  const [inner, outer] = [link.getBoundingClientRect(), row.getBoundingClientRect()];
  row.scrollBy({ left: inner.left + inner.width / 2 - (outer.left + outer.width / 2) });
}

/**
 * @param {Element} nav contains a link to each part
 * @param {Record<string, () => Promise<unknown>|Promise<unknown>[]|void>} openers what to do when a part shows for the first time
 * @returns {{show: (id: string) => void}}
 */
export function parts(nav, openers) {
  const links = [...nav.querySelectorAll('a')];
  const all = links.map((link) => byId(link.hash.slice(1)));
  const opened = new Map();

  function open(part) {
    if (!opened.has(part)) opened.set(part, begin(part));
    return opened.get(part);
  }

  const begin = (part) => together(part, [openers[part.id]?.()].flat());

  async function follow(moves) {
    const named = window.location.hash.length > 1 ? byId(window.location.hash.slice(1)) : null;
    const part = all.find((one) => one.contains(named)) ?? all[0];
    for (const one of all) one.hidden = one !== part;
    for (const link of links) {
      if (link.hash === `#${part.id}`) {
        link.setAttribute('aria-current', 'true');
        reveal(link);
      } else link.removeAttribute('aria-current');
    }
    const ready = open(part);
    if (moves && nav.getBoundingClientRect().top < 0) nav.scrollIntoView();
    if (moves && part.contains(named)) named.focus({ preventScroll: true });
    await ready;
    if (named && named !== part && part.contains(named) && !part.hidden) named.scrollIntoView();
  }

  window.addEventListener('hashchange', () => follow(true));
  follow(false);
  return {
    show(id) {
      if (window.location.hash === `#${id}`) return;
      window.history.replaceState(window.history.state, '', `#${id}`);
      follow(false);
    },
  };
}

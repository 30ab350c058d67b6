/* Runs before the first paint, where a module would run too late: hides what the first page does not need, so that nothing jumps, and says if the
   page's scripts or styles don't load. It uses no module, because that one may be missing too. */
{
  const { classList } = document.documentElement;
  if (document.cookie.split('; ').includes('signed_in=1')) classList.add('signed-in');
  if (new URLSearchParams(window.location.search).get('q')) classList.add('searching');

  const LATE_MS = 15_000;
  let told;
  let failed = false;
  let started = false;

  const element = (tag, name, ...children) => {
    const made = document.createElement(tag);
    made.className = name;
    made.append(...children);
    return made;
  };

  const tell = () => {
    const main = document.querySelector('main');
    if (!main) document.addEventListener('DOMContentLoaded', tell);
    if (!main || told || (started && !failed)) return;
    const reload = element('button', 'button', 'Reload page');
    reload.type = 'button';
    reload.addEventListener('click', () => window.location.reload());
    const title = element('p', 'notice-title', 'Part of this page didn’t load.');
    told = element('div', 'notice notice-bad', title, element('p', '', 'Check your connection, then reload the page.'), element('div', 'actions', reload));
    told.setAttribute('role', 'alert');
    main.prepend(told);
  };

  const late = setTimeout(tell, LATE_MS);
  const isOf = (event, selector) => event.target instanceof Element && event.target.matches(selector);
  // A module fails also if one that it imports is missing. This script comes before the styles, or their errors would be missed. Of Stripe's scripts,
  // the pages that need them tell.
  document.addEventListener(
    'error',
    (event) => {
      if (!isOf(event, 'script[src^="/js/"], link[href^="/css/"]')) return;
      failed = true;
      tell();
    },
    true,
  );
  document.addEventListener(
    'load',
    (event) => {
      if (!isOf(event, 'script[type=module]')) return;
      started = true;
      clearTimeout(late);
      if (!failed) told?.remove();
    },
    true,
  );
}

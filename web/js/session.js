/**
 * The logged-in user, and the part of the header that depends on it.
 *
 * Scripts deliberately cannot read the session's cookie. A second cookie, which only says that there was a
 * log-in, saves visitors without a session a request that would fail.
 * It is set and cleared together with the session's.
 */

import { api } from './api.js';
import { button, busy, byId, h } from './ui.js';

const MARK = 'signed_in';
const MARK_SECONDS = 14 * 24 * 60 * 60;

function mark(value, seconds) {
  const secure = window.location.protocol === 'https:' ? '; Secure' : '';
  document.cookie = `${MARK}=${value}; Path=/; SameSite=Lax; Max-Age=${seconds}${secure}`;
}

/** Whether this browser may have a session. Only the API knows for sure. */
export const maybeSignedIn = () => document.cookie.split('; ').includes(`${MARK}=1`);

/** Call this after a log-in or sign-up. */
export const markSignedIn = () => mark('1', MARK_SECONDS);

/** Call this after a log-out. */
export const markSignedOut = () => mark('', 0);

let asked;

/**
 * The logged-in user, or null. Makes one request per page.
 *
 * @returns {Promise<object|null>}
 */
export function session() {
  asked ??= maybeSignedIn() ? ask() : Promise.resolve(null);
  return asked;
}

async function ask() {
  try {
    return await api.get('/users/me', { cache: 'no-store' });
  } catch (error) {
    if (error.status !== 401) throw error;
    markSignedOut();
    return null;
  }
}

/** This page's path within the site. */
export const here = () => `${window.location.pathname}${window.location.search}${window.location.hash}`;

/** The log-in page's URL, which returns to `next`. */
export const loginAddress = (next = here()) => `/login.html?next=${encodeURIComponent(next)}`;

/** Leaves for the log-in page, and returns here afterwards. */
export function goToLogin() {
  markSignedOut();
  window.location.replace(loginAddress());
}

/**
 * The logged-in user. Other visitors are sent to the log-in page and return afterwards.
 *
 * @returns {Promise<object>} never resolves for users who are redirected
 */
export async function requiredSession() {
  const user = await session();
  if (user) return user;
  goToLogin();
  return new Promise(() => {});
}

/**
 * A safe target on this site, from a URL that may come from anywhere.
 *
 * @returns {string} `/` if `next` leads to another site, or to the API, which has no pages
 */
export function localAddress(next) {
  if (!next) return '/';
  let url;
  try {
    url = new URL(next, window.location.origin);
  } catch {
    return '/';
  }
  const local = url.origin === window.location.origin && !url.pathname.startsWith('/api/') && !url.pathname.startsWith('//');
  return local ? `${url.pathname}${url.search}${url.hash}` : '/';
}

/** Ends the session and goes to the welcome page. */
export async function logOut() {
  try {
    await api.delete('/sessions/current');
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  markSignedOut();
  window.location.assign('/');
}

/** Pages that belong to one of the header's links. */
const PART_OF = { '/staff-user.html': '/staff.html' };

/** The library and the rest of the account are one page with several sections. */
const inLibrary = () => ['', '#library', '#opened'].includes(window.location.hash);

function link(text, href) {
  const to = new URL(href, window.location.origin);
  const anchor = h('a', { href }, text);
  const mark = () => {
    const at = window.location.pathname;
    const here = to.pathname === at && (at !== '/account.html' || inLibrary() === (to.hash === ''));
    const current = here ? 'page' : PART_OF[at] === to.pathname && 'true';
    if (current) anchor.setAttribute('aria-current', current);
    else anchor.removeAttribute('aria-current');
  };
  mark();
  if (to.pathname === window.location.pathname) window.addEventListener('hashchange', mark);
  return h('li', {}, anchor);
}

function logOutButton() {
  const control = button('Log out', () =>
    busy(control, () =>
      logOut().catch(() => {
        control.textContent = 'Log out: try again';
      }),
    ), { class: 'button button-quiet' });
  return control;
}

/** Fills the header with the links for this user. */
export async function showNavigation() {
  const list = byId('navigation');
  try {
    const user = await session();
    if (user) {
      list.append(
        link('Library', '/account.html'),
        ...(user.is_seller ? [link('Seller desk', '/seller.html')] : []),
        ...(user.is_staff ? [link('Staff desk', '/staff.html')] : []),
        link('Account', '/account.html#settings'),
        h('li', { class: 'wide-only' }, logOutButton()),
      );
    } else {
      const onForm = ['/login.html', '/signup.html'].includes(window.location.pathname);
      list.append(link('Log in', onForm ? `/login.html${window.location.search}` : loginAddress()), link('Sign up', '/signup.html'));
    }
  } catch {
    // Pages that need to know the user show the error themselves.
    list.append(link('Account', '/account.html#settings'));
  }
}

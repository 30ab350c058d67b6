/**
 * Who is signed in, and the part of the header that depends on it.
 *
 * The session's cookie cannot be read here, on purpose. A second cookie, which says nothing but that there was a
 * log-in, saves visitors who have none from asking the API who they are: one request fewer, and none that fails.
 * It lives and is cleared together with the session's.
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

/** To be called after a log-in or sign-up. */
export const markSignedIn = () => mark('1', MARK_SECONDS);

/** To be called after a log-out. */
export const markSignedOut = () => mark('', 0);

let asked;

/**
 * The signed-in user, or null. Asks the API once a page.
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

/** This page's address within the site. */
export const here = () => `${window.location.pathname}${window.location.search}`;

/** The log-in page's address, to come back to `next`. */
export const loginAddress = (next = here()) => `/login.html?next=${encodeURIComponent(next)}`;

/** Leaves for the log-in page, and comes back here afterwards. */
export function goToLogin() {
  markSignedOut();
  window.location.replace(loginAddress());
}

/**
 * The signed-in user; whoever is not goes to the log-in page and comes back.
 *
 * @returns {Promise<object>} which never ends for those who leave
 */
export async function requiredSession() {
  const user = await session();
  if (user) return user;
  goToLogin();
  return new Promise(() => {});
}

/**
 * A place on this site to go to, from an address that may come from anywhere.
 *
 * @returns {string} `/` where `next` leads to another site, or to the API, which shows nothing to people
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

/** Ends the session and shows the welcome page. */
export async function logOut() {
  try {
    await api.delete('/sessions/current');
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  markSignedOut();
  window.location.assign('/');
}

/** Pages that are reached by one of the header's links, and belong to it. */
const PART_OF = { '/staff-user.html': '/staff.html' };

const link = (text, href) => {
  const [to, at] = [new URL(href, window.location.origin).pathname, window.location.pathname];
  const current = to === at ? 'page' : PART_OF[at] === to && 'true';
  return h('li', {}, h('a', { href, 'aria-current': current }, text));
};

function logOutButton() {
  const control = button('Log out', () =>
    busy(control, () =>
      logOut().catch(() => {
        control.textContent = 'Log out: try again';
      }),
    ), { class: 'button button-quiet' });
  return control;
}

/** Fills the header's list of links with those that are of use to this user. */
export async function showNavigation() {
  const list = byId('navigation');
  try {
    const user = await session();
    if (user) {
      list.append(
        ...(user.is_seller ? [link('Seller desk', '/seller.html')] : []),
        ...(user.is_staff ? [link('Staff desk', '/staff.html')] : []),
        link('Account', '/account.html'),
        h('li', {}, logOutButton()),
      );
    } else {
      const onForm = ['/login.html', '/signup.html'].includes(window.location.pathname);
      list.append(link('Log in', onForm ? `/login.html${window.location.search}` : loginAddress()), link('Sign up', '/signup.html'));
    }
  } catch {
    // The page itself says what is wrong where it needs to know who is there.
    list.append(link('Account', '/account.html'));
  }
}

/** Pages that mails link to. The token is behind the `#`, which browsers do not send to servers. */

/** Removes the token from the URL, so that it does not stay in the history. */
export function takeToken() {
  const token = window.location.hash.slice(1);
  if (token) window.history.replaceState(null, '', window.location.pathname);
  return token;
}

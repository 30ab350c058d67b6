/** Pages that a mail leads to: the token stands behind the `#`, which browsers send to nobody. */

/** Takes the token out of the address, so that it stays in no history. */
export function takeToken() {
  const token = window.location.hash.slice(1);
  if (token) window.history.replaceState(null, '', window.location.pathname);
  return token;
}

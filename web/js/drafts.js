/**
 * Unsaved text, kept in this browser. It is restored after Esc, a reload, or an ended
 * session. It never leaves the browser.
 */

const PREFIX = 'draft:';
/** A draft that was not used for this long is deleted. */
const KEPT_MS = 60 * 24 * 60 * 60 * 1000;

/** @returns {Storage|null} null if the browser has no storage */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

/**
 * The drafts of one user.
 *
 * @param {string} user
 */
export function drafts(user) {
  const key = (name) => `${PREFIX}${user}:${name}`;
  forgetOld();
  return {
    /** @returns {{value: object, at: string, base?: string}|null} */
    read(name) {
      try {
        return JSON.parse(storage()?.getItem(key(name)) ?? 'null');
      } catch {
        return null;
      }
    },
    /** Stores a value; `base` says which version it edits. @returns {boolean} whether it is stored */
    keep(name, value, base = undefined) {
      try {
        storage().setItem(key(name), JSON.stringify({ value, base, at: new Date().toISOString() }));
        return true;
      } catch {
        return false;
      }
    },
    forget(name) {
      storage()?.removeItem(key(name));
    },
  };
}

function forgetOld() {
  const kept = storage();
  for (const key of Object.keys(kept ?? {}).filter((name) => name.startsWith(PREFIX))) {
    try {
      if (Date.now() - Date.parse(JSON.parse(kept.getItem(key)).at) > KEPT_MS) kept.removeItem(key);
    } catch {
      kept.removeItem(key);
    }
  }
}

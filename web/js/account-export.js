/** Downloading what is stored of the user. */

import { api } from './api.js';
import { withPassword } from './password.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { busy, byId, notice, say } from './ui.js';

const WHY = 'Downloading your data needs your password again after a while.';

/** Lets the user download their data. */
export function dataExport() {
  const start = byId('export');
  const outcome = byId('export-outcome');
  start.disabled = false;
  start.addEventListener('click', () => busy(start, download));

  async function download() {
    say(outcome, null);
    try {
      save(await whole());
      say(outcome, notice('good', 'Your data was downloaded.', 'Look for my-data.json among your downloads.'));
    } catch (error) {
      if (error.code === 'not_signed_in') goToLogin();
      else if (error.code !== 'password_required') say(outcome, problem('Your data wasn’t downloaded.', error));
    }
  }
}

/** All parts of the export as one. */
async function whole() {
  let all = null;
  let cursor;
  do {
    const asked = cursor;
    const part = await withPassword(() => api.get('/users/me/export', { query: { cursor: asked }, cache: 'no-store' }), WHY);
    cursor = part.next_cursor;
    delete part.next_cursor;
    if (all === null) all = part;
    else for (const [name, value] of Object.entries(part)) if (Array.isArray(value)) all[name].push(...value);
  } while (cursor);
  return all;
}

function save(data) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], { type: 'application/json' }));
  const link = document.createElement('a');
  Object.assign(link, { href: url, download: 'my-data.json' });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

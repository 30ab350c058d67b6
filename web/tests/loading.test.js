/** What a page says if a part of it does not load, or takes too long. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

import { expect, newPage } from './browser.js';
import { FIXTURE, courseAddress } from './people.js';

const WEB = new URL('../', import.meta.url);
const notice = (page) => page.getByRole('alert').filter({ hasText: 'Part of this page didn’t load.' });

test('every page loads the early script before its styles and modules, whose errors it hears', () => {
  const pages = readdirSync(WEB).filter((name) => name.endsWith('.html'));
  assert.ok(pages.length > 10);
  for (const name of pages) {
    const html = readFileSync(new URL(name, WEB), 'utf8');
    const early = html.indexOf('<script src="/js/early.js"></script>');
    assert.ok(early > 0 && early < html.search(/rel="(stylesheet|modulepreload)"|type="module"/), name);
  }
});

test('a page whose script or style does not load says so, and can be reloaded', async () => {
  for (const [address, missing] of [['/login.html', '**/js/ui.js'], ['/login.html', '**/js/pages/login.js'], ['/', '**/css/base.css'], [courseAddress(FIXTURE.slug), '**/js/checkout.js']]) {
    const page = await newPage();
    await page.route(missing, (route) => route.abort());
    await page.goto(address);
    await notice(page).waitFor();
    await page.unroute(missing);
    await notice(page).getByRole('button', { name: 'Reload page' }).click();
    await page.getByRole('link', { name: 'Sign up' }).first().waitFor();
    await expect(notice(page)).toHaveCount(0);
    await page.context().close();
  }
});

test('a page whose module takes too long says so until it arrives', async () => {
  const page = await newPage();
  await page.clock.install();
  let arrive;
  const arrived = new Promise((resolve) => (arrive = resolve));
  await page.route('**/js/pages/login.js', async (route) => {
    await arrived;
    await route.continue();
  });
  await page.goto('/login.html', { waitUntil: 'commit' });
  await page.locator('footer').waitFor();
  await page.clock.runFor(5_000);
  await expect(notice(page)).toHaveCount(0);
  await page.clock.runFor(15_000);
  await notice(page).waitFor();
  arrive();
  await expect(notice(page)).toHaveCount(0);
  await page.getByRole('link', { name: 'Sign up' }).first().waitFor();
  await page.context().close();
});

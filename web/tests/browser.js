/** A headless Chromium, with pages that record everything that goes wrong in them. */

import assert from 'node:assert/strict';
import { after } from 'node:test';

import { chromium } from 'playwright';
import { expect as expectWithin } from 'playwright/test';

/** The storefront's URL. */
export const STOREFRONT = (process.env.STOREFRONT_URL ?? 'http://localhost:3000').replace(/\/$/, '');

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** The first response of a debug build may have to wait until the function has started. */
const PATIENCE_MS = 30_000;

/** Assertions that wait until they hold. What a page shows after an answer is never asserted without waiting. */
export const expect = expectWithin.configure({ timeout: PATIENCE_MS });

let browser;
after(async () => (await browser)?.close());

/** One browser per test file, started when its first page is needed. */
function start() {
  browser ??= chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  return browser;
}

/**
 * A page in a fresh browser: no cookies, empty cache.
 *
 * @param {object} [options] of the browser context
 */
export async function newPage(options = {}) {
  const context = await (await start()).newContext({ baseURL: STOREFRONT, locale: 'en-US', viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  return open(context);
}

/** Another tab of the page's browser. */
export const newTab = (page) => open(page.context());

async function open(context) {
  const page = await context.newPage();
  page.faults = [];
  const ours = (url) => url === '' || url.startsWith(STOREFRONT);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && ours(message.location().url)) page.faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => page.faults.push(`exception: ${error.message}`));
  page.on('response', (response) => {
    if (ours(response.url()) && response.status() >= 400) page.faults.push(`response: status of ${response.status()} ${response.url()}`);
  });
  page.on('requestfailed', (request) => {
    // When a page is left, its pending requests are dropped.
    if (ours(request.url()) && request.failure().errorText !== 'net::ERR_ABORTED') page.faults.push(`request: ${request.failure().errorText} ${request.url()}`);
  });
  return page;
}

/**
 * Checks that there was no console error, failed request or exception.
 *
 * @param {object} page
 * @param {{except?: number[]}} [options] statuses that the journey causes on purpose
 */
export function assertQuiet(page, { except = [] } = {}) {
  const faults = page.faults.filter((fault) => !except.some((status) => fault.includes(`status of ${status} `)));
  assert.deepEqual(faults, []);
}

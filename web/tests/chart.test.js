/** The sales chart: a bar per day, or per month for long periods, and a bar for every sale. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { newPage } from './browser.js';

const TODAY = '2026-11-26T12:00:00';

let page;
before(async () => {
  page = await newPage({ timezoneId: 'Europe/Berlin' });
  await page.goto('/404.html');
});

/** The bars, each with title and height, and the text for screen readers. */
const drawn = (entries, currency = 'usd') =>
  page.evaluate(
    async ([entries, currency, today]) => {
      const root = (await import('/js/chart.js')).chart('Sold', currency, entries, new Date(today));
      const bars = [...root.querySelectorAll('rect')].map((bar) => [bar.textContent, Number(bar.getAttribute('height'))]);
      return { bars, told: root.querySelector('svg').getAttribute('aria-label'), title: root.querySelector('figcaption').textContent };
    },
    [entries, currency, TODAY],
  );

test('each of thirty days has a bar for its sales, in the user’s time zone', async () => {
  const { bars, told, title } = await drawn([
    { at: '2026-11-26T08:00:00Z', amount: 1000 },
    { at: '2026-11-26T09:00:00Z', amount: 3000 },
    // Already the 25th in Berlin.
    { at: '2026-11-24T23:30:00Z', amount: 1000 },
    { at: '2026-10-27T23:30:00Z', amount: 2000 },
  ]);
  assert.equal(title, 'Sold, the last 30 days');
  assert.equal(bars.length, 30);
  assert.deepEqual(bars[0], ['Oct 28: $20.00', 60]);
  assert.deepEqual(bars.slice(-2), [['Nov 25: $10.00', 30], ['Nov 26: $40.00', 120]]);
  assert.equal(bars.filter(([name]) => !name.endsWith('$0.00')).length, 3);
  assert.equal(told, 'Sold: Oct 28 $20.00, Nov 25 $10.00, Nov 26 $40.00');
});

test('an older sale switches the chart to months, and is included', async () => {
  // Less than thirty times 24 hours ago, but on the thirty-first day.
  const entries = [{ at: '2026-11-26T08:00:00Z', amount: 500 }, { at: '2026-10-27T16:00:00Z', amount: 700 }];
  const sold = ({ bars }) => bars.filter(([name]) => !name.endsWith('¥0')).map(([name]) => name);
  const first = await drawn(entries, 'jpy');
  assert.equal(first.title, 'Sold, the last 12 months');
  assert.equal(first.bars.length, 12);
  assert.deepEqual(sold(first), ['Oct 2026: ¥700', 'Nov 2026: ¥500']);
  const older = [{ at: '2025-12-01T08:00:00Z', amount: 900 }, { at: '2025-11-30T08:00:00Z', amount: 1100 }];
  assert.deepEqual(sold(await drawn([...entries, ...older], 'jpy')), ['Dec 2025: ¥900', 'Oct 2026: ¥700', 'Nov 2026: ¥500']);
});

test('full refunds draw no bar below the line', async () => {
  const { bars, told } = await drawn([{ at: '2026-11-26T08:00:00Z', amount: -100 }]);
  assert.ok(bars.every(([, height]) => height === 2));
  assert.equal(told, 'Sold: Nov 26 -$1.00');
});

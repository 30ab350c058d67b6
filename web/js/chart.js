/** A small bar chart of money over time, as SVG: one bar per day, or per month for long periods. */

import { format } from './money.js';
import { h } from './ui.js';

const SVG = 'http://www.w3.org/2000/svg';
const DAYS = 30;
const MONTHS = 12;
const WIDTH = 600;
const HEIGHT = 120;
const GAP = 3;

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** The day or month of a time, in the user's time zone. */
const dayOf = (at) => `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`;
const monthOf = (at) => `${at.getFullYear()}-${at.getMonth()}`;

/** @returns {Array<{key: string, at: Date}>} the days, or the months, up to today */
function periods(byDay, today) {
  const days = Array.from({ length: DAYS }, (_, back) => new Date(today.getFullYear(), today.getMonth(), today.getDate() - (DAYS - 1 - back)));
  const months = Array.from({ length: MONTHS }, (_, back) => new Date(today.getFullYear(), today.getMonth() - (MONTHS - 1 - back), 1));
  return byDay ? days.map((at) => ({ key: dayOf(at), at })) : months.map((at) => ({ key: monthOf(at), at }));
}

/**
 * A figure with one currency's amounts.
 *
 * @param {string} title
 * @param {string} currency
 * @param {Array<{at: string, amount: number}>} entries in the minor unit
 * @param {Date} [today]
 */
export function chart(title, currency, entries, today = new Date()) {
  const oldest = Math.min(...entries.map(({ at }) => Date.parse(at)));
  const byDay = oldest >= periods(true, today)[0].at.getTime();
  const keyOf = byDay ? dayOf : monthOf;
  const sums = new Map();
  for (const { at, amount } of entries) sums.set(keyOf(new Date(at)), (sums.get(keyOf(new Date(at))) ?? 0) + amount);
  const style = byDay ? { day: 'numeric', month: 'short' } : { month: 'short', year: 'numeric' };
  const name = (at) => new Intl.DateTimeFormat(undefined, style).format(at);
  const bars = periods(byDay, today).map(({ key, at }) => ({ name: name(at), amount: sums.get(key) ?? 0 }));
  const highest = Math.max(1, ...bars.map(({ amount }) => amount));
  const step = WIDTH / bars.length;
  const shapes = bars.map((bar, index) => {
    const height = Math.max(2, (Math.max(0, bar.amount) / highest) * HEIGHT);
    const place = { x: index * step + GAP / 2, y: HEIGHT - height, width: step - GAP, height, rx: 2 };
    return svg('rect', { class: bar.amount > 0 ? 'bar' : 'bar bar-none', ...place }, svg('title', {}, `${bar.name}: ${format(bar.amount, currency)}`));
  });
  const told = bars.filter(({ amount }) => amount !== 0).map((bar) => `${bar.name} ${format(bar.amount, currency)}`);
  return h(
    'figure',
    { class: 'card chart' },
    h('figcaption', {}, title, h('span', { class: 'muted' }, byDay ? `, the last ${DAYS} days` : `, the last ${MONTHS} months`)),
    svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}: ${told.join(', ') || 'nothing in this time'}`, preserveAspectRatio: 'none' }, ...shapes),
    h('p', { class: 'chart-ends muted small' }, h('span', {}, bars[0].name), h('span', {}, bars.at(-1).name)),
  );
}

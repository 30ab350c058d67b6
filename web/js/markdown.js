/**
 * Markdown to elements: headings, paragraphs, lists, quotes, code, rules, emphasis and links. What sellers write goes in as
 * text, so that nothing of it becomes markup of this site's.
 */

import { h } from './ui.js';

const INLINE = /(`+)(.+?)\1|\*\*(.+?)\*\*|\*(.+?)\*|\[([^\]]+)\]\(([^()\s]+)\)/;

/** A link that may be followed: the web and mail, no scripts. */
function target(address) {
  try {
    const url = new URL(address);
    return ['https:', 'http:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** @returns {Array<Node|string>} a line's text with its emphasis */
function inline(text) {
  const match = INLINE.exec(text);
  if (!match) return [text];
  const [whole, , code, strong, emphasis, label, address] = match;
  let element;
  if (code !== undefined) element = h('code', {}, code);
  else if (strong !== undefined) element = h('strong', {}, inline(strong));
  else if (emphasis !== undefined) element = h('em', {}, inline(emphasis));
  else element = target(address) ? h('a', { href: target(address), rel: 'noopener noreferrer' }, label) : whole;
  return [text.slice(0, match.index), element, ...inline(text.slice(match.index + whole.length))];
}

const HEADING = /^(#{1,6})\s+(.+?)\s*#*$/;
const FENCE = /^\s*```/;
const BULLET = /^\s*[-*+]\s+(.+)$/;
const NUMBER = /^\s*\d+[.)]\s+(.+)$/;
const QUOTE = /^>\s?(.*)$/;
const RULE = /^\s*(?:-{3,}|\*{3,}|_{3,})\s*$/;

const begins = (line) => [HEADING, FENCE, BULLET, NUMBER, QUOTE, RULE].some((form) => form.test(line)) || line.trim() === '';

/**
 * @param {string} markdown
 * @param {number} [level] the level of the heading under which it stands: its own begin one below, and skip none
 * @returns {Node[]}
 */
export function markdown(text, level = 2) {
  const lines = text.replace(/\r\n?/g, '\n').split('\n');
  const nodes = [];
  let depth = level;
  let at = 0;
  const take = (form) => {
    const taken = [];
    for (; at < lines.length && form.test(lines[at]); at += 1) taken.push(form.exec(lines[at])[1]);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    const heading = HEADING.exec(line);
    if (line.trim() === '') {
      at += 1;
    } else if (FENCE.test(line)) {
      const end = lines.findIndex((other, index) => index > at && FENCE.test(other));
      const last = end === -1 ? lines.length : end;
      // Focusable, so that the keyboard can scroll what is wider than the page.
      nodes.push(h('pre', { tabindex: '0' }, h('code', {}, lines.slice(at + 1, last).join('\n'))));
      at = last + 1;
    } else if (RULE.test(line)) {
      nodes.push(h('hr'));
      at += 1;
    } else if (heading) {
      depth = Math.min(Math.max(level + heading[1].length, level + 1), depth + 1, 6);
      nodes.push(h(`h${depth}`, {}, inline(heading[2])));
      at += 1;
    } else if (BULLET.test(line)) {
      nodes.push(h('ul', {}, take(BULLET).map((item) => h('li', {}, inline(item)))));
    } else if (NUMBER.test(line)) {
      nodes.push(h('ol', {}, take(NUMBER).map((item) => h('li', {}, inline(item)))));
    } else if (QUOTE.test(line)) {
      nodes.push(h('blockquote', {}, markdown(take(QUOTE).join('\n'), depth)));
    } else {
      const paragraph = [line];
      for (at += 1; at < lines.length && !begins(lines[at]); at += 1) paragraph.push(lines[at]);
      nodes.push(h('p', {}, inline(paragraph.map((part) => part.trim()).join(' '))));
    }
  }
  return nodes;
}

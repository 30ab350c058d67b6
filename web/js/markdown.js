/**
 * Renders Markdown as elements: headings, paragraphs, lists, quotes, code, rules, emphasis and links. Sellers' text is inserted as
 * text, so it can never become markup.
 */

import { h } from './ui.js';

const INLINE = /\*\*(.+?)\*\*|\*(.+?)\*|\[([^\][]+)\]\(([^()\s]+)\)/;

/** A paragraph that is one link, or the address of one. */
const ALONE = /^(?:\[([^\][]+)\]\((https:\/\/[^()\s]+)\)|(https:\/\/\S+))$/;

/** Whether a link is safe: web and mail, no scripts. */
function target(address) {
  try {
    const url = new URL(address);
    return ['https:', 'http:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/** The maximum nesting of emphasis, and of quotes. */
const DEEPEST = 20;

/** The first code span from a place on, between two runs of equally many backticks. A regular expression would take forever for a long run. */
function codeSpan(text, from) {
  const alone = new Set();
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let open = runs.exec(text); open; open = runs.exec(text)) {
    const size = open[0].length;
    if (alone.has(size)) continue;
    const later = /`+/g;
    later.lastIndex = runs.lastIndex;
    for (let close = later.exec(text); close; close = later.exec(text)) {
      if (close[0].length === size) return { start: open.index, end: later.lastIndex, code: text.slice(runs.lastIndex, close.index) };
    }
    alone.add(size);
  }
  return null;
}

/** The first emphasis or link from a place on. */
function marked(text, from) {
  const form = new RegExp(INLINE, 'g');
  form.lastIndex = from;
  const match = form.exec(text);
  return match && { start: match.index, end: form.lastIndex, match };
}

/** @returns {Array<Node|string>} a line's text with its emphasis */
function inline(text, depth = 0) {
  if (depth === DEEPEST) return [text];
  const nodes = [];
  let at = 0;
  // Each is searched for again only once the place is behind its start, so that a long text is read a few times, and not once per mark.
  let code = codeSpan(text, at);
  let mark = marked(text, at);
  while (code || mark) {
    const next = code && (!mark || code.start < mark.start) ? code : mark;
    if (next.start > at) nodes.push(text.slice(at, next.start));
    nodes.push(next === code ? h('code', {}, code.code) : element(mark.match, depth));
    at = next.end;
    if (code && code.start < at) code = codeSpan(text, at);
    if (mark && mark.start < at) mark = marked(text, at);
  }
  if (at < text.length) nodes.push(text.slice(at));
  return nodes;
}

/** What an emphasis or a link becomes. */
function element([whole, strong, emphasis, label, address], depth) {
  if (strong !== undefined) return h('strong', {}, inline(strong, depth + 1));
  if (emphasis !== undefined) return h('em', {}, inline(emphasis, depth + 1));
  return target(address) ? h('a', { href: target(address), rel: 'noopener noreferrer' }, label) : whole;
}

/** A heading's text, without closing marks. */
function title(text) {
  let end = text.length;
  while (end > 0 && text[end - 1] === '#') end -= 1;
  return text.slice(0, end).trimEnd();
}

/** A paragraph. If it is nothing but a link, `embed` may show what that leads to; otherwise an address becomes a link. */
function paragraph(text, embed) {
  const [, label, named, bare] = (embed && ALONE.exec(text)) ?? [];
  const address = named ?? bare;
  return (address && embed(address, label)) || h('p', { dir: 'auto' }, bare ? element([bare, undefined, undefined, bare, bare]) : inline(text));
}

const HEADING = /^(#{1,6})\s+(\S.*)$/;
const FENCE = /^\s*```/;
const BULLET = /^\s*[-*+]\s+(.+)$/;
const NUMBER = /^\s*\d+[.)]\s+(.+)$/;
const QUOTE = /^>\s?(.*)$/;
const RULE = /^\s*(?:-{3,}|\*{3,}|_{3,})\s*$/;

const begins = (line) => [HEADING, FENCE, BULLET, NUMBER, QUOTE, RULE].some((form) => form.test(line)) || line.trim() === '';

/**
 * @param {string} markdown
 * @param {number} [level] the level of the heading above it: its own headings start one level below, and skip none
 * @param {(address: string, label?: string) => Element|null} [embed] shows what a link leads to that is a paragraph of its own, or nothing
 * @param {number} [quotes] how many quotes it is nested in
 * @returns {Node[]}
 */
export function markdown(text, level = 2, embed = null, quotes = 0) {
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
      let last = at + 1;
      while (last < lines.length && !FENCE.test(lines[last])) last += 1;
      // Focusable, so that wide content can be scrolled with the keyboard.
      nodes.push(h('pre', { tabindex: '0' }, h('code', {}, lines.slice(at + 1, last).join('\n'))));
      at = last + 1;
    } else if (RULE.test(line)) {
      nodes.push(h('hr'));
      at += 1;
    } else if (heading) {
      depth = Math.min(Math.max(level + heading[1].length, level + 1), depth + 1, 6);
      nodes.push(h(`h${depth}`, { dir: 'auto' }, inline(title(heading[2]))));
      at += 1;
    } else if (BULLET.test(line)) {
      nodes.push(h('ul', {}, take(BULLET).map((item) => h('li', { dir: 'auto' }, inline(item)))));
    } else if (NUMBER.test(line)) {
      nodes.push(h('ol', {}, take(NUMBER).map((item) => h('li', { dir: 'auto' }, inline(item)))));
    } else if (QUOTE.test(line)) {
      const quoted = take(QUOTE).join('\n');
      nodes.push(h('blockquote', { dir: 'auto' }, quotes < DEEPEST ? markdown(quoted, depth, embed, quotes + 1) : quoted));
    } else {
      const parts = [line];
      for (at += 1; at < lines.length && !begins(lines[at]); at += 1) parts.push(lines[at]);
      nodes.push(paragraph(parts.map((part) => part.trim()).join(' '), embed));
    }
  }
  return nodes;
}

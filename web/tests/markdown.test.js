/** Markdown is read in bounded time and depth, whatever is in it. Runs without a browser: only the parser's work counts. */

import { test } from 'node:test';
import assert from 'node:assert/strict';

/** Five times the longest text of a course or a lesson, so that it shows whether the time grows with the text or with its square. */
const LONGEST = 5 * 50_000;

/** In milliseconds: several times what it takes, and a fraction of what a parser takes that reads the rest of the text again at each mark. */
const BOUND = 3000;

/** As much of an element as the parser uses. */
class Element {
  constructor(tag) {
    Object.assign(this, { tag, attributes: {}, children: [] });
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  append(...children) {
    this.children.push(...children);
  }
}

globalThis.document = { createElement: (tag) => new Element(tag) };
const { markdown } = await import('../js/markdown.js');

const written = (node) => (typeof node === 'string' ? node : `<${node.tag}>${node.children.map(written).join('')}</${node.tag}>`);
const html = (text) => markdown(text).map(written).join('');
const deepest = (nodes) => nodes.reduce((most, node) => Math.max(most, depth(node)), 0);
const depth = (node) => (typeof node === 'string' ? 0 : 1 + deepest(node.children));

/** A piece, repeated up to that length, between a beginning and an end. */
const long = (piece, begin = '', end = '') => begin + piece.repeat(Math.floor((LONGEST - begin.length - end.length) / piece.length)) + end;

/** Runs of backticks of ever other lengths, none of which closes another. */
const runs = () => {
  let text = '';
  for (let size = 1; text.length + size + 1 <= LONGEST; size += 1) text += `${'`'.repeat(size)} `;
  return text;
};

const HOSTILE = {
  'a heading of closing marks': long('#', '# x '),
  'a heading of spaces and marks': long(' #', '# x', ' y'),
  'emphases in one line': long('*a*'),
  'emphases that are never closed': long('*a **b '),
  'strong emphases': long('**a**'),
  'stars': long('*'),
  'stars in pairs': long('** '),
  'code spans': long('`a` '),
  'code spans before an emphasis': long('`a`', '', ' *a*'),
  'code spans and emphases that overlap': long('*`*` '),
  'backticks': long('`'),
  'runs of backticks': runs(),
  'runs of backticks and emphases': runs().replaceAll(' ', '*'),
  'brackets': long('['),
  'brackets and parentheses': long('[a]('),
  'links': long('[a](https://a.example) '),
  'links that are never closed': long('[a](https://a.example '),
  'links to scripts': long('[a](javascript:a) '),
  'fences': long('```\n'),
  'fences with text': long('```\na\n'),
  'a fence that is never closed': long('a\n', '```\n'),
  'quotes in quotes': long('>'),
  'quotes in quotes, many times': long(`${'>'.repeat(50)} a\n`),
  'quotes and paragraphs': long('> a\nb\n'),
  'lists': long('- a\n\n'),
  'items': long('- *a*\n'),
  'a list of marks': long('- '),
  'numbers': long('1'),
  'numbered items': long('1. a\n'),
  'rules': long('---\n'),
  'a rule that is none': long('-', '', 'x'),
  'a rule of spaces': long(' ', '---', 'x'),
  'spaces': long(' ', '', 'x'),
  'empty lines': long('\n'),
  'a paragraph of lines': long('a\n'),
  'paragraphs': long('a\n\n'),
};

for (const [what, text] of Object.entries(HOSTILE)) {
  test(`a long text is read in bounded time: ${what}`, () => {
    assert.ok(text.length > LONGEST - 1000 && text.length <= LONGEST, `${text.length}`);
    const began = performance.now();
    const nodes = markdown(text);
    const took = performance.now() - began;
    assert.ok(took < BOUND, `${Math.round(took)} ms`);
    // Twenty quotes, and in the innermost twenty emphases.
    assert.ok(deepest(nodes) <= 45);
  });
}

test('text becomes elements', () => {
  for (const [text, expected] of [
    ['# One *two*\n\nThree **four *five* six**.', '<h3>One <em>two</em></h3><p>Three <strong>four <em>five</em> six</strong>.</p>'],
    ['`*a*` *`b*` c*', '<p><code>*a*</code> <em>`b</em>` c*</p>'],
    ['a `` ` `` [b](https://b.example) [c](javascript:c)', '<p>a <code> ` </code> <a>b</a> [c](javascript:c)</p>'],
    ['```\n# a\n```\nb', '<pre><code># a</code></pre><p>b</p>'],
    ['- a\n- b\n\n1. c', '<ul><li>a</li><li>b</li></ul><ol><li>c</li></ol>'],
    ['> a\n> > b\n\n---', '<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote><hr></hr>'],
  ]) {
    assert.equal(html(text), expected);
  }
});

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
const { embedHint, frameOf } = await import('../js/embeds.js');

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
  'an address': long('a', 'https://'),
  'an address that is never closed': long('a', '[a](https://'),
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
    const nodes = markdown(text, 2, () => null);
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

const HOSTS = ['www.youtube-nocookie.com', 'player.vimeo.com', 'videos.example'];
const YOUTUBE = 'https://www.youtube-nocookie.com/embed/aqz-KE-bpKQ';

test('a video’s page has a player, and an allowed host is framed as it is', () => {
  for (const [address, expected] of [
    ['https://www.youtube.com/watch?v=aqz-KE-bpKQ', YOUTUBE],
    ['https://youtube.com/watch?list=PL1&v=aqz-KE-bpKQ', YOUTUBE],
    ['https://m.youtube.com/watch?v=aqz-KE-bpKQ&t=90s', `${YOUTUBE}?start=90`],
    ['https://youtu.be/aqz-KE-bpKQ?si=abc', YOUTUBE],
    ['https://YOUTU.BE:443/aqz-KE-bpKQ', YOUTUBE],
    ['https://www.youtube.com/embed/aqz-KE-bpKQ', YOUTUBE],
    ['https://www.youtube.com/shorts/aqz-KE-bpKQ', YOUTUBE],
    [`${YOUTUBE}?start=3`, `${YOUTUBE}?start=3`],
    ['https://vimeo.com/76979871', 'https://player.vimeo.com/video/76979871'],
    ['https://vimeo.com/76979871/abc123', 'https://player.vimeo.com/video/76979871?h=abc123'],
    ['https://videos.example/a?b=c#d', 'https://videos.example/a?b=c#d'],
  ]) {
    assert.equal(frameOf(address, HOSTS)?.href, expected, address);
    assert.equal(frameOf(address, []), null, address);
    assert.equal(frameOf(address, ['elsewhere.example']), null, address);
  }
});

test('nothing else is framed', () => {
  for (const address of [
    'javascript:alert(1)//videos.example',
    'data:text/html,videos.example',
    'blob:https://videos.example/a',
    'http://videos.example/a',
    '//videos.example/a',
    'https://videos.example:8443/a',
    'https://user@videos.example/a',
    'https://user:password@videos.example/a',
    'https://:password@videos.example/a',
    'https://videos.example@evil.example/a',
    'https://evil.example/videos.example',
    'https://evil.example\\@videos.example/a',
    'https://videos.example.evil.example/a',
    'https://sub.videos.example/a',
    'https://evilvideos.example/a',
    'https://videos.example./a',
    'https://user@www.youtube.com/watch?v=aqz-KE-bpKQ',
    'https://www.youtube.com:8443/watch?v=aqz-KE-bpKQ',
    'http://youtu.be/aqz-KE-bpKQ',
    'https://www.youtube.com/watch?v=aqz-KE-bpKQ/../a',
    'https://www.youtube.com/watch?v=..%2F..%2Fa/b',
    'https://www.youtube.com/watch',
    'https://www.youtube.com/@someone',
    'https://youtube.com.evil.example/watch?v=aqz-KE-bpKQ',
    'https://vimeo.com/76979871/../../a',
    'https://vimeo.com/channels/staffpicks',
    '',
  ]) {
    assert.equal(frameOf(address, HOSTS), null, address);
  }
});

test('only a link that is a paragraph of its own is a video', () => {
  const asked = [];
  const embed = (address, label) => asked.push([address, label]) && (address.includes('video') ? new Element('video') : null);
  const shown = (text) => markdown(text, 2, embed).map(written).join('');
  for (const [text, expected] of [
    ['https://a.example/video', '<video></video>'],
    ['  https://a.example/video  ', '<video></video>'],
    ['[One *two*](https://a.example/video)', '<video></video>'],
    ['a\n\nhttps://a.example/video\n\nb', '<p>a</p><video></video><p>b</p>'],
    ['> https://a.example/video', '<blockquote><video></video></blockquote>'],
    ['https://a.example/other', '<p><a>https://a.example/other</a></p>'],
    ['[a](https://a.example/other)', '<p><a>a</a></p>'],
  ]) {
    assert.equal(shown(text), expected, text);
  }
  assert.deepEqual(asked.slice(1, 3), [['https://a.example/video', undefined], ['https://a.example/video', 'One *two*']]);
  asked.length = 0;
  for (const [text, expected] of [
    ['See https://a.example/video', '<p>See https://a.example/video</p>'],
    ['a\nhttps://a.example/video', '<p>a https://a.example/video</p>'],
    ['[a](https://a.example/video) b', '<p><a>a</a> b</p>'],
    ['[a](https://a.example/video) [a](https://a.example/video)', '<p><a>a</a> <a>a</a></p>'],
    ['- https://a.example/video', '<ul><li>https://a.example/video</li></ul>'],
    ['# https://a.example/video', '<h3>https://a.example/video</h3>'],
    ['`https://a.example/video`', '<p><code>https://a.example/video</code></p>'],
    ['[a](javascript:video)', '<p>[a](javascript:video)</p>'],
    ['[a](http://a.example/video)', '<p><a>a</a></p>'],
    ['javascript:video', '<p>javascript:video</p>'],
  ]) {
    assert.equal(shown(text), expected, text);
  }
  assert.deepEqual(asked, []);
  assert.equal(html('https://a.example/video'), '<p>https://a.example/video</p>');
});

test('sellers read which sites’ videos are shown', () => {
  assert.equal(embedHint(HOSTS), 'To show a video from YouTube, Vimeo, or videos.example, put its link on a line of its own, between blank lines. ');
  assert.equal(embedHint([]), '');
});

/** A picture for every course, generated from its slug: a mosaic of simple shapes. The same slug always gives the same picture. */

const SVG = 'http://www.w3.org/2000/svg';
const TILE = 40;

const SHAPES = [
  ['M0 0H40A40 40 0 0 1 0 40Z'],
  ['M0 0H40A20 20 0 0 1 0 0Z'],
  ['M6 20A14 14 0 0 1 34 20A14 14 0 0 1 6 20Z'],
  ['M0 0H40L0 40Z'],
  ['M0 0H8V40H0Z', 'M16 0H24V40H16Z', 'M32 0H40V40H32Z'],
  ['M0 0H40A40 40 0 0 1 0 40Z', 'M0 0H22A22 22 0 0 1 0 22Z'],
  ['M0 0A40 40 0 0 1 40 40A40 40 0 0 1 0 0Z'],
  ['M0 0H40V20H0Z'],
];

/** Background and foreground colours that go well together, as classes of the style sheet. */
const PALETTES = [
  ['a', 'b', 'c'],
  ['b', 'a', 'd'],
  ['c', 'd', 'a'],
  ['d', 'c', 'b'],
];

/** Deterministic numbers from a text: FNV-1a for the seed, xorshift for the rest. */
function numbers(text) {
  let state = 0x811c9dc5;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 0x01000193) >>> 0;
  state ||= 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** @returns {SVGElement} a picture that screen readers skip */
export function cover(seed, columns = 6, rows = 3) {
  const number = numbers(seed);
  for (let skipped = 0; skipped < 8; skipped += 1) number(2);
  const palette = PALETTES[number(PALETTES.length)];
  const tiles = [];
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const paths = SHAPES[number(SHAPES.length)];
      const turn = 90 * number(4);
      const inks = number(3) ? [palette[1], 'ground'] : [palette[2], palette[1]];
      const ground = number(4) ? 'ground' : palette[0];
      tiles.push(
        svg(
          'g',
          { transform: `translate(${x * TILE} ${y * TILE}) rotate(${turn} 20 20)` },
          svg('path', { class: `ink-${ground}`, d: 'M0 0H40V40H0Z' }),
          ...paths.map((d, index) => svg('path', { class: `ink-${index === 0 || paths.length === 3 ? inks[0] : inks[1]}`, d })),
        ),
      );
    }
  }
  return svg(
    'svg',
    { class: `cover`, viewBox: `0 0 ${columns * TILE} ${rows * TILE}`, preserveAspectRatio: 'xMidYMid slice', 'aria-hidden': 'true', focusable: 'false' },
    ...tiles,
  );
}

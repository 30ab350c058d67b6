/** Videos of other sites in lessons. Nothing is loaded from there before the reader presses a button, and only from the hosts that the operator allows. */

import { platform } from './stripe-js.js';
import { button, h } from './ui.js';

/** The names of the sites whose players these hosts serve. */
const SITES = { 'www.youtube-nocookie.com': 'YouTube', 'player.vimeo.com': 'Vimeo' };

/** The URL of the player on a video's page, which may not be framed itself; null if the page is not known. */
function playerOf({ hostname, pathname, searchParams }) {
  const site = hostname.replace(/^(?:www|m)\./, '');
  const id = site === 'youtu.be' ? pathname.slice(1) : pathname === '/watch' ? searchParams.get('v') : /^\/(?:embed|live|shorts)\/([^/]+)$/.exec(pathname)?.[1];
  if (['youtu.be', 'youtube.com'].includes(site) && /^[\w-]{11}$/.test(id ?? '')) {
    const start = /^(\d+)s?$/.exec(searchParams.get('t') ?? '')?.[1];
    return new URL(`https://www.youtube-nocookie.com/embed/${id}${start ? `?start=${start}` : ''}`);
  }
  const [, video, hash] = (site === 'vimeo.com' && /^\/(\d+)(?:\/([0-9a-f]+))?\/?$/.exec(pathname)) || [];
  return video ? new URL(`https://player.vimeo.com/video/${video}${hash ? `?h=${hash}` : ''}`) : null;
}

/**
 * What to show in a frame in place of a link.
 *
 * @param {string} address
 * @param {string[]} hosts those that may be framed, exactly and on their standard port
 * @returns {URL|null} null if it stays a link
 */
export function frameOf(address, hosts) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== 'https:' || url.port || url.username || url.password) return null;
  return [playerOf(url), url].find((one) => one && hosts.includes(one.hostname)) ?? null;
}

/** The hosts whose videos may be shown. None if they are not known. */
export const embedHosts = () => platform().then(({ embed_hosts: hosts }) => hosts ?? [], () => []);

const either = new Intl.ListFormat('en', { type: 'disjunction' });

/** What to tell sellers about them. */
export const embedHint = (hosts) => (hosts.length > 0 ? `To show a video from ${either.format(hosts.map((host) => SITES[host] ?? host))}, put its link on a line of its own, between blank lines. ` : '');

/**
 * @param {string[]} hosts
 * @returns {(address: string, label?: string) => Element|null} the video that a link leads to
 */
export const videos = (hosts) => (address, label) => {
  const frame = frameOf(address, hosts);
  return frame && video(frame, address, label);
};

/** A button that loads the video in its own place, and below it a link to its page. */
function video(frame, address, label) {
  const text = `Play the video from ${frame.hostname}`;
  const play = button(text, () => {
    const player = h('iframe', {
      src: frame.href,
      title: label ?? `Video from ${frame.hostname}`,
      sandbox: 'allow-scripts allow-same-origin allow-presentation',
      allow: 'fullscreen; picture-in-picture; encrypted-media',
      referrerpolicy: 'strict-origin-when-cross-origin',
    });
    play.replaceWith(player);
    player.focus();
  }, { 'aria-label': label && `${text}: ${label}` });
  const { href } = new URL(address);
  return h('div', { class: 'embed' }, h('div', { class: 'embed-box' }, play), h('p', { dir: 'auto' }, h('a', { href, rel: 'noopener noreferrer', class: label && 'embed-named' }, label ?? address)));
}

/** Reading a course: its content, and if it has lessons, the list of them, one lesson at a time, and how far the reader has got. */

import { api, part } from './api.js';
import { embedHosts, videos } from './embeds.js';
import { estimate, lessonsOf, sectionLists } from './outline.js';
import { markdown } from './markdown.js';
import { problem } from './problems.js';
import { goToLogin } from './session.js';
import { bdi, busy, button, byId, h, linkButton, say, skeleton } from './ui.js';

/** The name in the URL of the text before the lessons. */
const INTRODUCTION = 'introduction';
const nothing = () => h('p', { class: 'muted' }, 'There’s nothing here yet.');
const rendered = (text, level, hosts) => (text ? h('div', { class: 'markdown' }, markdown(text, level, videos(hosts))) : nothing());

/** Puts something below a box's heading. */
export const fill = (box, ...nodes) => box.replaceChildren(box.firstElementChild, ...nodes);

/**
 * Shows what a user may read in `box`, below its heading.
 *
 * @param {Element} box
 * @param {object} course
 * @param {object|null} outline
 * @param {boolean} keeps whether the user's progress is kept
 */
export async function showReader(box, course, outline, keeps) {
  const path = `/courses/${part(course.id)}`;
  const get = (what) => api.get(`${path}/${what}`, { cache: 'no-store' });
  const lessons = lessonsOf(outline);
  if (lessons.length === 0) {
    const [{ content }, hosts] = await Promise.all([get('content'), embedHosts()]);
    fill(box, rendered(content, 2, hosts));
    return;
  }
  const [{ content: introduction }, progress, hosts] = await Promise.all([get('content'), keeps ? get('progress') : null, embedHosts()]);
  await read({ box, path, outline, lessons, introduction, progress, hosts });
}

function read({ box, path, outline, lessons, introduction, progress: before, hosts }) {
  let progress = before;
  const byName = (name) => lessons.find(({ id }) => id === name);
  /** What is shown if the URL names nothing: the lesson that was opened last, or the beginning. */
  const initial = byName(before?.last) ?? (introduction ? null : lessons[0]);
  /** The lesson that is shown; null for the introduction. */
  let current;
  const list = h('nav', { class: 'reader-contents', 'aria-label': 'Lessons' });
  const article = h('article', { class: 'reader-lesson', id: 'lesson' });
  const outcome = h('div', { role: 'status' });
  const status = h('p', { class: 'small', role: 'status' });
  const bar = h('progress', { max: lessons.length, 'aria-label': 'Lessons done' });
  fill(box, ...(progress ? [h('div', { class: 'reader-progress' }, bar, status)] : []), h('div', { class: 'reader' }, list, h('div', { class: 'reader-page' }, outcome, article)));

  const isDone = ({ id }) => Boolean(progress?.done.includes(id));
  const link = (name, title, mark) =>
    h('a', { href: `#${name}`, 'aria-current': (current ? current.id : INTRODUCTION) === name && 'true' }, mark, h('span', { class: 'lesson-title', dir: 'auto' }, title));
  const tick = (lesson) => progress && h('span', { class: 'lesson-mark', 'aria-hidden': 'true' }, isDone(lesson) ? '✓' : '○');

  function showList() {
    list.replaceChildren(
      ...(introduction ? [h('ul', { class: 'lessons' }, h('li', {}, link(INTRODUCTION, 'Introduction')))] : []),
      ...sectionLists(outline, (lesson) => [link(lesson.id, lesson.title, [tick(lesson), isDone(lesson) && h('span', { class: 'hidden' }, 'Done: ')]), estimate(lesson)]),
    );
    if (!progress) return;
    const done = lessons.filter(isDone).length;
    bar.value = done;
    status.textContent = `${done} of ${lessons.length} ${lessons.length === 1 ? 'lesson' : 'lessons'} done.`;
    if (progress.last) byId('start').textContent = 'Continue';
  }

  /** Notes something on the server; what the page shows follows the answer. */
  async function note(body, failed) {
    try {
      progress = await api.put(`${path}/progress`, body);
      showList();
    } catch (error) {
      if (error.status === 401) goToLogin();
      else failed?.(error);
    }
  }

  function doneButton(lesson) {
    const text = () => (isDone(lesson) ? 'Mark as not done' : 'Mark as done');
    const control = button(text(), () =>
      busy(control, async () => {
        say(outcome, null);
        await note({ lesson: lesson.id, done: !isDone(lesson) }, (error) => say(outcome, problem('Your progress wasn’t saved.', error)));
        control.textContent = text();
      }),
    );
    return control;
  }

  const after = () => lessons[current ? lessons.indexOf(current) + 1 : 0];

  function page(title, body) {
    const next = after();
    const onward = next && linkButton(h('span', {}, 'Next: ', bdi(next.title)), `#${next.id}`, { class: 'button button-main' });
    article.replaceChildren(h('h3', { id: 'lesson-title', tabindex: '-1', dir: 'auto' }, title), body, h('div', { class: 'actions' }, progress && current && doneButton(current), onward));
  }

  /** Shows what the URL names. */
  async function open(moves) {
    const name = window.location.hash.slice(1);
    const isNamed = name === INTRODUCTION || Boolean(byName(name));
    // A link to another part of the page.
    if (moves && name && !isNamed) return;
    const lesson = byName(name) ?? (introduction && name === INTRODUCTION ? null : initial);
    current = lesson;
    say(outcome, null);
    showList();
    if (lesson) {
      article.replaceChildren(h('h3', { id: 'lesson-title', tabindex: '-1', dir: 'auto' }, lesson.title), skeleton(6));
      try {
        const { content } = await api.get(`${path}/lessons/${part(lesson.id)}`, { cache: 'no-store' });
        if (current !== lesson) return;
        page(lesson.title, rendered(content, 3, hosts));
      } catch (error) {
        if (current !== lesson) return;
        if (error.status === 401) goToLogin();
        else page(lesson.title, h('div', { role: 'alert' }, problem('We couldn’t load this lesson.', error, error.isOutage ? { retry: () => open(moves) } : {})));
        return;
      }
    } else page('Introduction', rendered(introduction, 3, hosts));
    if (!moves && !isNamed) return;
    byId('lesson-title').focus({ preventScroll: true });
    article.scrollIntoView({ block: 'start' });
    if (lesson && isNamed && progress && progress.last !== lesson.id) await note({ lesson: lesson.id });
  }

  const follow = () => (box.isConnected ? open(true) : window.removeEventListener('hashchange', follow));
  window.addEventListener('hashchange', follow);
  return open(false);
}

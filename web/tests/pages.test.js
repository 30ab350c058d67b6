/** The pages that the server renders: what robots and people without JavaScript see, and how the page's modules take over. */

import assert from 'node:assert/strict';
import { test } from 'node:test';

import axe from 'axe-core';

import { STOREFRONT, assertQuiet, expect, newPage } from './browser.js';
import { FIXTURE, courseAddress, makeCourse, newSeller } from './people.js';

const content = (page, selector) => page.locator(selector).getAttribute('content');

test('a course can be read without JavaScript, and its head describes it', async () => {
  const { title, description } = await (await fetch(`${STOREFRONT}/api/courses/${FIXTURE.slug}`)).json();
  for (const viewport of [{ width: 1280, height: 900 }, { width: 390, height: 844 }]) {
    const page = await newPage({ javaScriptEnabled: false, viewport });
    const answer = await page.goto(courseAddress(FIXTURE.slug));
    assert.equal(answer.status(), 200);
    assert.equal(answer.headers()['set-cookie'], undefined);
    assert.equal(await page.title(), `${title} – Lectern`);
    await expect(page.getByRole('heading', { level: 1, name: title })).toBeVisible();
    assert.equal(await page.locator('.course-text').textContent(), description);
    await expect(page.locator('#offer').getByText(`USD ${FIXTURE.price.slice(1)}`)).toBeVisible();
    await expect(page.locator('noscript .notice')).toBeVisible();
    assert.equal(await page.locator('link[rel=canonical]').getAttribute('href'), `${STOREFRONT}${courseAddress(FIXTURE.slug)}`);
    assert.equal(await content(page, 'meta[property="og:title"]'), title);
    const picture = await page.request.get(await content(page, 'meta[property="og:image"]'));
    assert.deepEqual([picture.status(), picture.headers()['content-type']], [200, 'image/png']);
    const course = JSON.parse(await page.locator('script[type="application/ld+json"]').textContent());
    assert.deepEqual([course['@type'], course.name, course.offers[0].price, course.offers[0].priceCurrency], ['Course', title, FIXTURE.price.slice(1), 'USD']);
    await page.context().close();
  }
});

test('the rendered page is accessible before its modules run', async () => {
  const page = await newPage();
  await page.route('**/*.js', (route) => route.abort());
  await page.goto(courseAddress(FIXTURE.slug));
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), []);
  await page.context().close();
});

test('the modules take over without a gap: title and text are never away', async () => {
  const page = await newPage();
  await page.addInitScript(() => {
    globalThis.gaps = 0;
    globalThis.titles = new Set();
    const watch = () => {
      if (document.querySelector('footer')) {
        if (!document.querySelector('h1')?.textContent || !document.querySelector('.course-text')) globalThis.gaps += 1;
        globalThis.titles.add(document.title);
      }
      requestAnimationFrame(watch);
    };
    watch();
  });
  await page.goto(courseAddress(FIXTURE.slug));
  await page.getByRole('link', { name: 'Log in to buy' }).waitFor();
  await expect(page.locator('.course-cover svg')).toHaveCount(1);
  assert.equal(await page.evaluate(() => globalThis.gaps), 0);
  assert.equal(await page.evaluate(() => globalThis.titles.size), 1);
  assertQuiet(page);
  await page.context().close();
});

test('a course that is not there is a 404 that says so, with and without JavaScript', async () => {
  for (const javaScriptEnabled of [true, false]) {
    const page = await newPage({ javaScriptEnabled });
    const answer = await page.goto(courseAddress('no-such-course'));
    assert.equal(answer.status(), 404);
    await page.getByRole('heading', { level: 1, name: 'We couldn’t find this course.' }).waitFor();
    assert.equal(await content(page, 'meta[name=robots]'), 'noindex');
    // Without JavaScript, Chromium reports each module that it does not load.
    if (javaScriptEnabled) assertQuiet(page, { except: [404] });
    await page.context().close();
  }
});

test('former addresses lead to the course, and the back button leaves it', async () => {
  const { page: seller } = await newSeller();
  const title = `A <b>course</b> that "moves" ${Date.now()}`;
  const slug = await makeCourse(seller, { title, description: '</title><script>alert(1)</script>' });
  const moved = `${slug}-moved`;
  const visitor = await newPage();
  for (const old of [`/course.html?slug=${slug}`, courseAddress(slug)]) {
    await visitor.goto('/');
    await visitor.goto(old);
    await visitor.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
    assert.equal(new URL(visitor.url()).pathname, courseAddress(slug));
    await visitor.goBack();
    assert.equal(new URL(visitor.url()).pathname, '/');
  }
  const change = await seller.request.patch(`/api/courses/${slug}`, { data: { slug: moved }, headers: { origin: STOREFRONT } });
  assert.equal(change.status(), 200);
  for (const old of [`/course.html?slug=${slug}`, courseAddress(slug)]) {
    await visitor.goto(old);
    await visitor.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
    assert.equal(new URL(visitor.url()).pathname, courseAddress(moved));
    await expect(visitor.locator('.course-text')).toHaveText('</title><script>alert(1)</script>');
  }
  assertQuiet(visitor);

  // An unpublished course is a 404 for everybody, and its seller is shown it by the page's modules.
  await seller.request.patch(`/api/courses/${moved}`, { data: { published: false }, headers: { origin: STOREFRONT } });
  assert.equal((await visitor.goto(courseAddress(moved))).status(), 404);
  assert.equal((await seller.goto(courseAddress(moved))).status(), 404);
  await seller.getByText('It isn’t published: only you can see it.').waitFor();
  for (const page of [seller, visitor]) await page.context().close();
});

test('robots find the sitemap, and in it the courses', async () => {
  const robots = await (await fetch(`${STOREFRONT}/robots.txt`)).text();
  const [, sitemap] = /^Sitemap: (\S+)$/m.exec(robots);
  const locations = (xml) => [...xml.matchAll(/<loc>([^<]+)<\/loc>/g)].map(([, location]) => location.replaceAll('&amp;', '&'));
  const months = locations(await (await fetch(sitemap)).text());
  const pages = await Promise.all(months.map(async (month) => locations(await (await fetch(month)).text())));
  assert.ok(pages.flat().includes(`${STOREFRONT}${courseAddress(FIXTURE.slug)}`), pages.flat().join(' '));
});

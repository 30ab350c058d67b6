/** CloudFront's functions in template.yaml, and the upload: what is deployed is what is in this folder. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInNewContext } from 'node:vm';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const WEB = join(ROOT, 'web');

/** The handler of a CloudFront function of the template. */
function handlerOf(name) {
  const lines = readFileSync(join(ROOT, 'template.yaml'), 'utf8').split('\n');
  const begin = lines.indexOf('      FunctionCode: |', lines.indexOf(`  ${name}:`)) + 1;
  const end = lines.findIndex((line, at) => at >= begin && line !== '' && !line.startsWith('        '));
  const code = lines.slice(begin, end).map((line) => line.slice(8)).join('\n');
  assert.ok(code.length < 10_240, 'CloudFront takes 10 KB');
  return runInNewContext(`${code}\nhandler`);
}

const request = (uri, headers = {}) => ({ viewer: { ip: '203.0.113.9' }, request: { method: 'GET', uri, headers, querystring: {} } });

/** Every file of the site, by its path. */
function files(folder = WEB, prefix = '/') {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (prefix === '/' && ['tests', 'README.md'].includes(entry.name)) return [];
    return entry.isDirectory() ? files(join(folder, entry.name), `${prefix}${entry.name}/`) : [`${prefix}${entry.name}`];
  });
}

test('every file of the site has a URL, and unknown URLs get a not-found page', () => {
  const handler = handlerOf('PagesFunction');
  const all = files();
  assert.ok(all.length > 30);
  for (const address of all.filter((one) => one !== '/404.html')) assert.equal(handler(request(address)).uri, address);
  assert.equal(handler(request('/')).uri, '/index.html');
  for (const address of ['/courses', '/nothing.html', '/tests/browser.js', '/README.md', '/js/', '/js/pages/../api.js', '/index.html/', '/JS/api.js', '/404.html']) {
    const answer = handler(request(address));
    assert.equal(answer.statusCode, 404, address);
    assert.match(answer.body.data, /There is no page here\./);
  }
});

test('the former addresses of courses lead to the present ones', () => {
  const handler = handlerOf('PagesFunction');
  const asked = (slug) => handler({ viewer: { ip: '203.0.113.9' }, request: { method: 'GET', uri: '/course.html', headers: {}, querystring: { slug: { value: slug } } } });
  const moved = asked('flask-2');
  assert.equal(moved.statusCode, 301);
  assert.equal(moved.headers.location.value, '/courses/flask-2');
  for (const slug of ['', '//evil.example', 'crs_1', 'A', 'a%0d%0ab']) assert.equal(asked(slug).uri, '/course.html', slug);
});

test('rendered pages come from the API’s own addresses for them', () => {
  const handler = handlerOf('RenderedPathFunction');
  for (const [address, path] of [['/courses/flask', '/pages/courses/flask'], ['/courses/', '/pages/courses/-'], ['/courses/a/b', '/pages/courses/a%2Fb'], ['/sellers/ada', '/pages/sellers/ada'], ['/sellers/', '/pages/sellers/-'], ['/sellers/a/b', '/pages/sellers/a%2Fb'], ['/sitemap.xml', '/pages/sitemap.xml'], ['/robots.txt', '/pages/robots.txt']]) {
    assert.equal(handler(request(address)).uri, path);
  }
});

test('the prefix is removed once, and only CloudFront sets the viewer’s address', () => {
  const handler = handlerOf('ApiPathFunction');
  for (const [address, path] of [['/api/courses', '/courses'], ['/api/courses/a', '/courses/a'], ['/api/api/x', '/api/x'], ['/api', '/'], ['/api/', '/'], ['/apiary', '/apiary']]) {
    assert.equal(handler(request(address)).uri, path);
  }
  const forged = handler(request('/api/sessions', { 'x-viewer-address': { value: '198.51.100.1' } }));
  assert.equal(forged.headers['x-viewer-address'].value, '203.0.113.9');
});

/** Runs the upload with a fake `aws` that records its calls. */
function upload(outputs) {
  const folder = mkdtempSync(join(tmpdir(), 'upload-'));
  try {
    const aws = `#!/usr/bin/env node
const fs = require('node:fs');
const asked = process.argv.slice(2);
fs.appendFileSync(${JSON.stringify(join(folder, 'log'))}, JSON.stringify(asked) + '\\n');
const key = /OutputKey=='(\\w+)'/.exec(asked.join(' '))?.[1];
if (key) console.log(${JSON.stringify(outputs)}[key] ?? 'None');
`;
    writeFileSync(join(folder, 'aws'), aws);
    chmodSync(join(folder, 'aws'), 0o755);
    const said = execFileSync(join(ROOT, 'scripts/upload-storefront'), ['shop'], { env: { ...process.env, PATH: `${folder}:${process.env.PATH}` }, encoding: 'utf8' });
    return { said, asked: readFileSync(join(folder, 'log'), 'utf8').trim().split('\n').map((line) => JSON.parse(line)) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('an upload sends pages after the files they load, and invalidates CloudFront’s cache at the end', () => {
  const { said, asked } = upload({ StorefrontBucket: 'bucket', DistributionId: 'E1', StorefrontUrl: 'https://shop.example' });
  assert.match(said, /https:\/\/shop\.example/);
  const done = asked.filter(([service]) => service !== 'cloudformation');
  assert.deepEqual(done.map(([service, verb]) => `${service} ${verb}`), ['s3 sync', 's3 sync', 's3 sync', 'cloudfront create-invalidation']);
  const [modules, pages, rest] = done;
  assert.ok(modules.includes('js/*') && !modules.includes('*.html') && pages.includes('*.html'));
  assert.ok(rest.includes('--delete') && !modules.includes('--delete') && !pages.includes('--delete'));
  for (const sync of [modules, pages, rest]) {
    assert.deepEqual(sync.slice(2, 4), ['web', 's3://bucket']);
    // Later filters win, so this decides what is not uploaded.
    assert.deepEqual(sync.slice(-4), ['--exclude', 'tests/*', '--exclude', 'README.md']);
  }
});

test('a stack that hosts no storefront gets nothing', () => {
  const { said, asked } = upload({});
  assert.match(said, /nothing to upload/);
  assert.ok(asked.every(([service]) => service === 'cloudformation'));
});

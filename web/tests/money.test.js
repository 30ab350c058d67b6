import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { expect, newPage } from './browser.js';
import { newSeller } from './people.js';

let page;
before(async () => {
  page = await newPage();
  await page.goto('/404.html');
});

const call = (name, ...values) => page.evaluate(async ([name, values]) => (await import('/js/money.js'))[name](...values), [name, values]);

test('typed prices become minor units without a float in between', async () => {
  for (const [text, currency, amount] of [
    ['19.99', 'usd', 1999],
    ['0.29', 'usd', 29],
    ['1.1', 'eur', 110],
    ['49,50', 'eur', 4950],
    ['1005', 'usd', 100_500],
    ['007', 'usd', 700],
    [' 5000 ', 'jpy', 5000],
    ['1.005', 'kwd', 1005],
    ['999999.99', 'usd', 99_999_999],
    ['50', 'huf', 5000],
  ]) {
    assert.deepEqual(await call('parse', text, currency), { amount }, `${text} ${currency}`);
  }
});

test('invalid prices are refused with a sentence', async () => {
  for (const [text, currency] of [
    ['', 'usd'],
    ['abc', 'usd'],
    ['-5', 'usd'],
    ['1e3', 'usd'],
    ['19.999', 'usd'],
    ['1,000', 'usd'],
    ['1,000', 'kwd'],
    ['1.000,50', 'eur'],
    ['1 234.50', 'eur'],
    ['1’234.50', 'chf'],
    ['5,000', 'jpy'],
    ['50.5', 'jpy'],
    ['50.', 'jpy'],
    ['0', 'usd'],
    ['0.00', 'usd'],
    ['1000000.00', 'usd'],
    ['١٢', 'usd'],
  ]) {
    const { amount, fault } = await call('parse', text, currency);
    assert.equal(amount, undefined, `${text} ${currency}`);
    assert.match(fault, /^[A-Z].+\.$/);
  }
});

test('amounts are shown with their currency’s decimals', async () => {
  for (const [amount, currency, text] of [
    [5000, 'usd', '$50.00'],
    [1, 'usd', '$0.01'],
    [5000, 'jpy', '¥5,000'],
    [1005, 'kwd', 'KWD 1.005'],
    [500_000, 'huf', 'HUF 5,000.00'],
    [-250, 'eur', '-€2.50'],
    [0, 'usd', '$0.00'],
  ]) {
    assert.equal((await call('format', amount, currency)).replaceAll('\u00a0', ' '), text);
  }
});

test('every currency of the platform has the decimals that the API says', async () => {
  const { currency_rules: rules } = await page.evaluate(async () => (await fetch('/api/config')).json());
  assert.ok(Object.keys(rules).length > 1);
  for (const [currency, { decimals }] of Object.entries(rules)) {
    assert.equal(await call('fractionDigits', currency), decimals, currency);
  }
});

test('the form shows the saved price', async () => {
  for (const [amount, currency] of [[1999, 'usd'], [7, 'eur'], [5000, 'jpy'], [1005, 'kwd'], [99_999_999, 'usd']]) {
    assert.deepEqual(await call('parse', await call('toField', amount, currency), currency), { amount });
  }
});

test('what to type is said in the browser’s number format, and thousands separators are named', async () => {
  const { page: seller } = await newSeller({ locale: 'de-DE' });
  await seller.goto('/seller.html');
  await seller.getByRole('button', { name: 'New course' }).click();
  const editor = seller.getByRole('dialog');
  await editor.getByText('For example 49,50.').waitFor();
  const price = editor.getByLabel('Price');
  for (const [text, hint] of [
    ['1.234,50', 'Enter the price without thousands separators, for example 49,50.'],
    ['1.234', 'Enter the price without thousands separators, for example 49,50.'],
    ['1,234', 'USD has at most 2 decimals, for example 49,50.'],
    ['1234,50', /Buyers pay 1\.234,50/],
    ['1234.50', /Buyers pay 1\.234,50/],
  ]) {
    await price.fill(text);
    await expect(editor.locator('#price-hint')).toHaveText(hint);
  }
  const german = (name, ...values) => seller.evaluate(async ([name, values]) => (await import('/js/money.js'))[name](...values), [name, values]);
  for (const [amount, currency, text] of [[1999, 'eur', '19,99'], [5000, 'jpy', '5000'], [1005, 'kwd', '1,005']]) {
    assert.equal(await german('toField', amount, currency), text);
    assert.deepEqual(await german('parse', text, currency), { amount });
  }
  await seller.context().close();
  // A separator that no price field reads is not used.
  const other = await newPage({ locale: 'ar-EG' });
  await other.goto('/404.html');
  assert.equal(await other.evaluate(async () => (await import('/js/money.js')).toField(1999, 'eur')), '19.99');
  await other.context().close();
});

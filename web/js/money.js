/**
 * Amounts are integers in the currency's minor unit in the API, and decimal text for people. They are never fractions.
 */

/**
 * Currencies that Stripe counts in hundredths although `Intl` shows them without decimals. With `Intl`'s decimals, their
 * prices would be wrong by a factor of a hundred.
 * <https://docs.stripe.com/currencies>
 */
const COUNTED_IN_HUNDREDTHS = new Set(['AFN', 'ALL', 'COP', 'HUF', 'IDR', 'ISK', 'LAK', 'LBP', 'MMK', 'PKR', 'SOS', 'STD', 'YER']);

/** The largest amount that can be charged: eight digits in the minor unit. */
const MAXIMUM = 99_999_999;

/** Figures in groups of three: `1,234.50`, `1.234,50`, `1 234,50`, `1’234.50`. */
const GROUPED = /^\d{1,3}(?:[.,'’\s]\d{3})+(?:[.,]\d*)?$/;

/** @returns {number} the decimals of a currency's minor unit: 2 for usd, 0 for jpy */
export function fractionDigits(currency) {
  const code = currency.toUpperCase();
  if (COUNTED_IN_HUNDREDTHS.has(code)) return 2;
  return new Intl.NumberFormat('en', { style: 'currency', currency: code }).resolvedOptions().maximumFractionDigits;
}

/** The decimal separator of the user's locale, if it is one of those that {@link parse} reads. */
const separatorOf = () => (new Intl.NumberFormat().formatToParts(1.5).find(({ type }) => type === 'decimal').value === ',' ? ',' : '.');

/** @returns {string} the amount as plain decimal text, `49.50` */
function toMajor(amount, currency) {
  const digits = fractionDigits(currency);
  const text = String(Math.abs(amount)).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  const sign = amount < 0 ? '-' : '';
  return digits === 0 ? `${sign}${whole}` : `${sign}${whole}.${text.slice(-digits)}`;
}

/** @returns {string} the amount as a price field holds it and {@link parse} reads it, with the decimal separator of the user's locale: `49.50`, `49,50` */
export const toField = (amount, currency) => toMajor(amount, currency).replace('.', separatorOf());

/** @returns {string} an example of what to type: `49.50`, `49,50`, `5000` */
export function example(currency) {
  const digits = fractionDigits(currency);
  return toField(digits === 0 ? 5000 : 495 * 10 ** (digits - 1), currency);
}

/** @returns {string} the amount in the user's locale: `$49.50`, `49,50 $`, `¥5,000` */
export function format(amount, currency) {
  const digits = fractionDigits(currency);
  const formatter = new Intl.NumberFormat(undefined, {
    style: 'currency',
    currency: currency.toUpperCase(),
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return formatter.format(toMajor(amount, currency));
}

/**
 * Parses a price that a user entered.
 *
 * @param {{orNothing?: boolean}} [options] whether zero is allowed, as for a fee
 * @returns {{amount: number} | {fault: string}} the minor units, or a sentence about what to type instead
 */
export function parse(text, currency, { orNothing = false } = {}) {
  const digits = fractionDigits(currency);
  const code = currency.toUpperCase();
  const such = `for example ${example(currency)}.`;
  const typed = text.trim();
  const match = /^(\d+)(?:([.,])(\d*))?$/.exec(typed);
  const [, whole, separator, decimals = ''] = match ?? [];
  // Either separator is read, but before three digits the one that isn't the locale's own may separate thousands.
  const isGrouped = match ? separator && separator !== separatorOf() && decimals.length === 3 : GROUPED.test(typed);
  if (isGrouped) return { fault: `Enter the price without thousands separators, ${such}` };
  if (!match) return { fault: `Enter the price in figures only, ${such}` };
  if (digits === 0 && separator) return { fault: `${code} has no decimals. Enter a whole number, ${such}` };
  if (decimals.length > digits) return { fault: `${code} has at most ${digits} decimals, ${such}` };
  const figures = (whole + decimals.padEnd(digits, '0')).replace(/^0+(?=\d)/, '');
  if (figures.length > String(MAXIMUM).length) return { fault: `The highest price is ${format(MAXIMUM, currency)}.` };
  const amount = Number.parseInt(figures, 10);
  return amount === 0 && !orNothing ? { fault: 'The price must be more than zero.' } : { amount };
}

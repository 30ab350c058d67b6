/**
 * Amounts: integers in the currency's minor unit on the wire, decimal text for people. No amount is ever a fraction.
 */

/**
 * Currencies that Stripe counts in hundredths although `Intl` shows them without decimals: taken from `Intl`, a price
 * in them would be a hundred times wrong.
 * <https://docs.stripe.com/currencies>
 */
const COUNTED_IN_HUNDREDTHS = new Set(['AFN', 'ALL', 'COP', 'HUF', 'IDR', 'ISK', 'LAK', 'LBP', 'MMK', 'PKR', 'SOS', 'STD', 'YER']);

/** The largest amount that can be charged: eight digits of the minor unit. */
const MAXIMUM = 99_999_999;

/** @returns {number} how many decimals a currency's minor unit is: 2 for usd, 0 for jpy */
export function fractionDigits(currency) {
  const code = currency.toUpperCase();
  if (COUNTED_IN_HUNDREDTHS.has(code)) return 2;
  return new Intl.NumberFormat('en', { style: 'currency', currency: code }).resolvedOptions().maximumFractionDigits;
}

/** @returns {string} the amount as plain decimal text, `49.50`: what a price field holds and {@link parse} reads */
export function toMajor(amount, currency) {
  const digits = fractionDigits(currency);
  const text = String(Math.abs(amount)).padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  const sign = amount < 0 ? '-' : '';
  return digits === 0 ? `${sign}${whole}` : `${sign}${whole}.${text.slice(-digits)}`;
}

/** @returns {string} the amount as people write it where they are: `$49.50`, `49,50 $`, `¥5,000` */
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
 * Reads a price that somebody typed.
 *
 * @param {{orNothing?: boolean}} [options] whether it may be nothing at all, as a fee may
 * @returns {{amount: number} | {fault: string}} the minor units, or a sentence about what to type instead
 */
export function parse(text, currency, { orNothing = false } = {}) {
  const digits = fractionDigits(currency);
  const code = currency.toUpperCase();
  const example = digits === 0 ? '5000' : `49.${'5'.padEnd(digits, '0')}`;
  const match = /^(\d+)(?:([.,])(\d*))?$/.exec(text.trim());
  if (!match) return { fault: `Write the price in figures only, such as ${example}.` };
  const [, whole, separator, decimals = ''] = match;
  if (digits === 0 && separator) return { fault: `${code} has no decimals: write a whole number, such as ${example}.` };
  if (separator === ',' && decimals.length === 3) return { fault: `Write the price without thousands separators, such as ${example}.` };
  if (decimals.length > digits) return { fault: `${code} has at most ${digits} decimals: write it such as ${example}.` };
  const figures = (whole + decimals.padEnd(digits, '0')).replace(/^0+(?=\d)/, '');
  if (figures.length > String(MAXIMUM).length) return { fault: `The highest price is ${format(MAXIMUM, currency)}.` };
  const amount = Number.parseInt(figures, 10);
  return amount === 0 && !orNothing ? { fault: 'The price must be more than nothing.' } : { amount };
}

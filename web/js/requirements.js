/** Describes the information that Stripe still requires of an account. https://docs.stripe.com/connect/required-verification-information */

const WORDS = [
  [/(^|\.)external_account/, 'A bank account for your payouts'],
  [/(^|\.)tos_acceptance/, 'Your agreement to Stripe’s terms'],
  [/^business_type/, 'Whether you sell as an individual or a company'],
  [/^business_profile\.(mcc|product_description)/, 'What you sell'],
  [/^business_profile\.url/, 'Your website'],
  [/^business_profile|^settings\.payments\.statement_descriptor/, 'How buyers know your business'],
  [/verification\.(additional_)?document/, 'A photo of an identity document'],
  [/proof_of_liveness/, 'A photo of you'],
  [/\.dob(\.|$)/, 'A date of birth'],
  [/(ssn_last_4|id_number|tax_id|vat_id|registration_number)/, 'A tax or identity number'],
  [/\.address/, 'An address'],
  [/\.(email|phone)$/, 'Contact details: email and phone'],
  [/\.(first_name|last_name|name|full_name_aliases)/, 'A name'],
  [/^(representative|owners|directors|executives|person_)/, 'The people behind the company'],
  [/^documents?\./, 'A document about your business'],
];
const OTHER = 'A few more details';

const named = (name) => WORDS.find(([pattern]) => pattern.test(name))?.[1] ?? OTHER;

/**
 * What is missing, a line for each kind, in the order of their first occurrence.
 *
 * @param {{missing: {name: string, since: string|null}[], past_due: string[], errors: object[]}} requirements with Stripe's names,
 *   such as `individual.dob.day`
 * @returns {{text: string, since: string|null, late: boolean, wrong: string[]}[]} `since` is that of the first of the kind, or null
 *   if that is not known; `late` if one of them is overdue; `wrong` is what Stripe says of what was submitted
 */
export function inWords({ missing, past_due: late, errors }) {
  const lines = new Map();
  for (const { name, since } of missing) {
    const text = named(name);
    const line = lines.get(text) ?? { text, since, late: false, wrong: [] };
    line.since = line.since && since && (since < line.since ? since : line.since);
    line.late ||= late.includes(name);
    const reasons = errors.filter(({ requirement, reason }) => requirement === name && reason).map(({ reason }) => reason);
    line.wrong = [...new Set([...line.wrong, ...reasons])];
    lines.set(text, line);
  }
  return [...lines.values()];
}

/** The kinds of what is named and not missing, each once. */
export const otherKinds = (names, missing) => [...new Set(names.filter((name) => missing.every((one) => one.name !== name)).map(named))];

const ASK_STRIPE = 'Contact Stripe’s support.';
const ASK_STAFF = 'Contact the staff.';

/** https://docs.stripe.com/api/accounts/object#account_object-requirements-disabled_reason */
const REASONS = {
  'action_required.requested_capabilities': 'Stripe needs something from you before this account can do all that was requested.',
  listed: 'Stripe is checking whether it may serve this account.',
  other: `Stripe has paused this account and is reviewing it. ${ASK_STRIPE}`,
  platform_paused: `The platform has paused this account. ${ASK_STAFF}`,
  'rejected.fraud': `Stripe has rejected this account because it suspects fraud. ${ASK_STRIPE}`,
  'rejected.incomplete_verification': `Stripe has rejected this account because details weren’t confirmed in time. ${ASK_STRIPE}`,
  'rejected.listed': `Stripe has rejected this account because it may not serve it. ${ASK_STRIPE}`,
  'rejected.other': `Stripe has rejected this account. ${ASK_STRIPE}`,
  'rejected.platform_fraud': `The platform has rejected this account because it suspects fraud. ${ASK_STAFF}`,
  'rejected.platform_other': `The platform has rejected this account. ${ASK_STAFF}`,
  'rejected.platform_terms_of_service': `The platform has rejected this account for breaking its terms. ${ASK_STAFF}`,
  'rejected.terms_of_service': `Stripe has rejected this account for breaking its terms. ${ASK_STRIPE}`,
  'requirements.past_due': 'Stripe is waiting for overdue details.',
  'requirements.pending_verification': 'Stripe is checking your details.',
  under_review: 'Stripe is reviewing the account.',
};

/** @returns {string} why an account does not work, or nothing */
export function whyDisabled(reason) {
  if (!reason) return '';
  if (REASONS[reason]) return REASONS[reason];
  return reason.startsWith('rejected.') ? REASONS['rejected.other'] : 'Stripe has paused this account for now.';
}

/**
 * Why an account is paid nothing out, and what to do about it.
 *
 * @param {{requirements: object}} account as in `GET /users/me/stripe`
 * @param {boolean} hasForm whether its form is opened from here
 */
export function whyUnpaid({ requirements: { past_due: late, currently_due: due, pending_verification: checking, disabled_reason: reason } }, hasForm) {
  const isWanted = late.length + due.length > 0;
  // Nobody else's decision ends by filling in a form.
  const helps = isWanted && (!reason || reason === 'requirements.past_due' || reason.startsWith('action_required.'));
  const todo = helps ? (hasForm ? ' Finish Stripe’s form to be paid again.' : ' Provide them in your Stripe dashboard.') : '';
  const why = whyDisabled(reason);
  if (why) return why + todo;
  if (isWanted) return `Stripe is waiting for details.${todo}`;
  if (checking.length > 0) return 'Stripe is checking your details.';
  return 'Stripe hasn’t said why. Check your bank details at Stripe, or ask Stripe’s support.';
}

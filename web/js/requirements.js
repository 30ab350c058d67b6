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

/**
 * @param {string[]} names Stripe's own, such as `individual.dob.day`
 * @returns {string[]} a line for each, in the order of their first occurrence
 */
export function inWords(names) {
  return [...new Set(names.map((name) => WORDS.find(([pattern]) => pattern.test(name))?.[1] ?? OTHER))];
}

const REASONS = {
  'requirements.past_due': 'Stripe is waiting for overdue details.',
  'requirements.pending_verification': 'Stripe is checking your details.',
  under_review: 'Stripe is reviewing the account.',
  listed: 'Stripe is checking whether it may serve this account.',
  platform_paused: 'The platform has paused this account. Contact the staff.',
};

/** @returns {string} why an account does not work, or nothing */
export function disabled(reason) {
  if (!reason) return '';
  if (REASONS[reason]) return REASONS[reason];
  return reason.startsWith('rejected.') ? 'Stripe has rejected this account. Contact Stripe’s support.' : 'Stripe has paused this account for now.';
}

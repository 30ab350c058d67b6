import { entry } from '../entry.js';
import { platform } from '../stripe-js.js';
import { termsBox } from '../terms.js';
import { byId } from '../ui.js';

const terms = byId('terms');

entry(
  '/users',
  'Your account wasn’t created.',
  '/login.html',
  (error) => {
    // The settings may be a minute old.
    if (error.code === 'terms_not_accepted') termsBox(terms, error.body.terms_of_use);
  },
  // The browser checks less of an address than the API.
  { invalid_request: 'Check that the email address is complete.' },
);
// If the settings cannot be read, the API says what to accept.
platform().then((settings) => termsBox(terms, settings.terms_of_use), () => {});

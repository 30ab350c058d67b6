/** Describes a purchase's status. */

import { h } from './ui.js';

const STATUSES = {
  pending: ['plain', 'Waiting for payment'],
  processing: ['warn', 'Payment on its way'],
  requires_action: ['warn', 'Confirmation needed'],
  paid: ['good', 'Paid'],
  failed: ['bad', 'Payment failed'],
  canceled: ['plain', 'Canceled'],
  refunded: ['plain', 'Refunded'],
  partially_refunded: ['warn', 'Partly refunded'],
  disputed: ['bad', 'Disputed'],
};

/**
 * @param {{status: string, processing?: boolean, failure?: object}} sale a purchase or a sale
 * @returns {Element} the status as a small label
 */
export function statusLabel({ status: stored, processing, failure }) {
  // One that failed is canceled afterwards, so that nobody tries another card on it.
  const status = processing ? 'processing' : stored === 'canceled' && failure ? 'failed' : stored;
  const [tone, text] = STATUSES[status] ?? ['plain', status.replaceAll('_', ' ')];
  return h('span', { class: `label label-${tone}` }, text);
}

/** Whether the buyer has access to the course. */
export const ownsCourse = (status) => ['paid', 'partially_refunded', 'disputed'].includes(status);

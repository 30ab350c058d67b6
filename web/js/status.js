/** A purchase's status in people's words. */

import { h } from './ui.js';

const STATUSES = {
  pending: ['plain', 'Waiting for payment'],
  requires_action: ['warn', 'Confirmation needed'],
  paid: ['good', 'Paid'],
  failed: ['bad', 'Payment failed'],
  canceled: ['plain', 'Canceled'],
  refunded: ['plain', 'Refunded'],
  partially_refunded: ['warn', 'Partly refunded'],
  disputed: ['bad', 'Disputed'],
};

/** @returns {Element} the status as a small label */
export function statusLabel(status) {
  const [tone, text] = STATUSES[status] ?? ['plain', status.replaceAll('_', ' ')];
  return h('span', { class: `label label-${tone}` }, text);
}

/** Whether the buyer has the course. */
export const ownsCourse = (status) => ['paid', 'partially_refunded', 'disputed'].includes(status);

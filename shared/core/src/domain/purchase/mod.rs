//! A purchase and its states.
//!
//! A purchase has *attempts*. Each attempt asks Stripe for money once, under one idempotency key. After one is paid,
//! more money can move: refunds, transfers and reversals are *movements* ([`Movement`]), and banks open *disputes*
//! ([`Dispute`]). What we know about these are facts, and facts only move forward: reports that arrive late, twice
//! or out of order lead to the same result. The purchase's [`Status`] is derived from the facts; nothing sets it.
//!
//! The tables below list every state, what leads to it, the function that makes the change, and a test that covers it. A test
//! (`tests/src/contract/moves.rs`) checks that these functions and tests exist and that no state is missing.
//!
//! # Attempt
//!
//! A PaymentIntent that failed, or was declined in hosted Checkout, can still succeed. So `paid` overrides everything else known about the
//! same PaymentIntent. <https://docs.stripe.com/payments/paymentintents/lifecycle>
//!
//! | State | From | When | Made by | Held by |
//! | --- | --- | --- | --- | --- |
//! | `pending` | | a buyer asks, and the attempt is stored before Stripe is called | `begin` | `thirty_concurrent_requests_make_one_charge` |
//! | `requires_action` | `pending` | the bank wants the buyer to authenticate | `observe` | `three_d_secure_is_authenticated_and_then_paid` |
//! | `failed` | `pending`, `requires_action` | declined, or refused by Stripe | `observe` | `a_decline_ends_the_attempt_and_another_card_pays` |
//! | `canceled` | `pending`, `requires_action`, `failed` | a canceled PaymentIntent, or an expired Checkout Session | `observe` | `an_expired_checkout_ends_the_attempt_and_the_next_begins` |
//! | `paid` | any other | the money was taken | `observe` | `any_order_and_number_of_events_ends_paid` |
//!
//! # Purchase
//!
//! | State | When | Made by | Held by |
//! | --- | --- | --- | --- |
//! | `pending`, `requires_action`, `failed`, `canceled` | no attempt is paid: the newest attempt's state | `add_up` | `an_old_attempt_that_fails_late_leaves_the_new_one_alone` |
//! | `paid` | an attempt is paid, and nothing below holds | `add_up` | `an_old_attempt_that_is_paid_after_all_counts` |
//! | `partially_refunded` | part of it was refunded, or is being refunded | `add_up` | `refunds_made_in_stripes_dashboard_are_taken_in` |
//! | `refunded` | all of it was | `add_up` | `a_refund_moves_everybodys_part_for_each_type_of_charge` |
//! | `disputed` | a dispute is open, or was lost | `add_up` | `a_lost_dispute_takes_the_sellers_part_and_a_won_one_returns_it` |
//!
//! # Movement
//!
//! A planned movement is carried out by whichever comes first: the request
//! that planned it, an event, or the reconciliation (`work::settlement`).
//!
//! | State | From | When | Made by | Held by |
//! | --- | --- | --- | --- | --- |
//! | `waiting` | | a refund is requested, and Stripe does not reverse the payees' parts by itself: they are reversed first | `plan_refund` | `payees_return_their_parts_of_a_separate_charge_before_its_refund` |
//! | `planned` | `waiting` | all payees' parts are reversed, or staff had the platform pay; and no bank is deciding about a dispute | `release_refunds`, `bear` | `staff_may_have_the_platform_pay_a_waiting_refund` |
//! | `planned` | | a refund is requested | `plan_refund` | `concurrent_refunds_never_exceed_what_was_paid` |
//! | `planned` | | a transfer or reversal follows from the facts | `plan` | `a_sale_is_shared_to_the_last_cent_and_so_is_its_refund` |
//! | `planned` | `planned` | Stripe refused a transfer or reversal: it is tried again under a new key | `try_again` | `a_payee_who_cannot_be_paid_is_tried_again_under_another_key` |
//! | `pending` | `planned` | Stripe has accepted the refund but not completed it | `observe_movement` | `a_pending_refund_is_followed_to_its_end` |
//! | `done` | `planned`, `pending` | Stripe made it | `observe_movement` | `a_lost_refund_is_finished_by_the_reconciliation` |
//! | `done` | | it was made at Stripe, not here | `observe_refund`, `observe_reversal` | `refunds_made_in_stripes_dashboard_are_taken_in` |
//! | `done`, `failed` | `planned` | a transfer that Stripe refused is reduced by what would have to be reversed, or canceled | `net_off` | `a_part_that_was_never_transferred_delays_no_refund` |
//! | `failed` | `planned` | Stripe refused a refund | `observe_movement` | `a_refund_that_stripe_refuses_moves_nothing_and_says_why` |
//! | `failed` | `planned` | a reversal is no longer needed, and Stripe has not received it | `restore` | `a_transfer_is_not_reversed_before_it_is_made` |
//! | `failed` | `pending`, `done` | the buyer's bank returned the refund | `observe_movement` | `a_refund_that_the_bank_returns_does_not_count` |
//!
//! # Dispute
//!
//! Stripe decides. A later state in this table replaces an earlier one, whatever order the events arrive in.
//! <https://docs.stripe.com/disputes/how-disputes-work>
//!
//! | State | When | Made by | Held by |
//! | --- | --- | --- | --- |
//! | `warning_needs_response`, `warning_under_review`, `warning_closed` | an inquiry: no money moves | `observe_dispute` | `an_inquiry_moves_no_money` |
//! | `needs_response`, `under_review` | the bank has withdrawn the money | `observe_dispute` | `disputes_may_be_reported_in_any_order` |
//! | `prevented` | it was stopped before it became a dispute; its balance transactions show whether it cost anything | `observe_dispute` | `a_dispute_that_was_prevented_is_on_record_and_costs_nothing` |
//! | `lost` | the bank keeps the money: the sellers' parts are reversed if that is the platform's policy | `observe_dispute` | `a_lost_dispute_takes_the_sellers_part_back` |
//! | `appeal_needs_response`, `appeal_under_review` | a loss is appealed: the money stays with the bank. If it is lost again, the later report wins | `observe_dispute` | `a_loss_can_be_appealed_and_lost_again_or_won` |
//! | `won` | the money came back | `observe_dispute` | `a_won_dispute_restores_the_purchase` |

mod attempt;
mod books;
#[cfg(test)]
mod currencies;
mod dispute;
mod division;
mod draft;
mod fraud;
mod legs;
mod maker;
mod movement;
mod observe;
mod payees;
mod plan;
#[cfg(test)]
mod properties;
mod record;
mod slot;
mod status;
mod sums;
#[cfg(test)]
mod tests;

pub use attempt::{Attempt, ChargeFacts, Means, Observation, Payee, Sold};
pub use dispute::{Dispute, DisputeMove, DisputeStatus, SeenDispute};
pub use division::{divide, share};
pub use maker::Made;
pub use movement::{Movement, MovementKind, MovementState, Outcome, Reason};
pub use observe::{SeenRefund, SeenReversal};
pub use plan::{MOST_REFUNDS, MovementRequest, REPEATED_WITHIN, RefundCap, RefundFault};
pub use record::{News, PATIENCE, Purchase, Terms, Transition};
pub use slot::Slot;
pub use status::{AttemptStatus, Ownership, Status};
pub use sums::Sums;

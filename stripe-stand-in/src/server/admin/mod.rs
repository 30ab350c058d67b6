//! The admin API, under `/_admin/`: how tests control the stand-in. Requests and responses are JSON.
//!
//! | Request | Does |
//! | --- | --- |
//! | `POST /_admin/faults` | adds a fault, or an array of them: `{"match":{"method","path","exact","account"},"times":1,"skip":0,"fault":{"kind":…}}` |
//! | `GET`, `DELETE /_admin/faults` | lists or removes the pending faults |
//! | `GET /_admin/requests?since=N` | the log of API requests after number N: `{"requests":[…],"last":N}` |
//! | `DELETE /_admin/requests` | clears the log |
//! | `GET`, `PUT /_admin/webhooks` | the endpoints: `{"endpoints":[{"url","secret","connect","thin"}]}` |
//! | `POST /_admin/webhooks/mode` | `{"hold","duplicate","drop_next","shuffle","delay_ms","own_clock"}`; omitted ones are off |
//! | `POST /_admin/webhooks/deliver` | `{"event","endpoint"}` sends one event now, to the endpoint at an index or to all it belongs to |
//! | `POST /_admin/webhooks/flush` | releases held deliveries and responds once each was tried |
//! | `POST /_admin/keys` | `{"make":"sk_test_…","expire":"sk_test_…"}`: rolls the platform's secret key |
//! | `GET /_admin/events?account=…&since=N` | events after number N, newest first, with their deliveries: `{"events":[…],"last":N}` |
//! | `POST /_admin/clock/advance` | `{"seconds"}` |
//! | `POST /_admin/clock/hold` | `{"at"}`, in epoch seconds: from now on time passes only by `advance` |
//! | `GET`, `POST /_admin/rates` | the value of one unit of a currency in another: `{"usd":{"cad":1.38656}}`; also sets the inverse, unless that is set too |
//! | `POST /_admin/settings` | `{"every_currency","capture_delay","debit_delay","borders","accounts_v1","accounts_v2"}`: accounts settle in every currency; seconds until a charge has its balance transaction, and until the bank answers a debit; transfers across borders are restricted; `/v1` creates accounts; the platform has those of `/v2` |
//! | `GET`, `POST /_admin/limits` | rate limits: `{"global_rate","endpoint_rate","global_concurrency","endpoint_concurrency","payment_intent_updates"}`; omitted ones are unlimited |
//! | `GET /_admin/books` | every account's balance and the sum of its transactions, and whether all match |
//! | `GET`, `POST /_admin/accounts` | all accounts; creates one: `{"type","email","country","name","capabilities","charges_enabled","default_currency","settlement_currencies","connected","scope"}` |
//! | `POST /_admin/accounts/{id}` | changes fields of an account as Stripe would, with events |
//! | `POST /_admin/accounts/{id}/requirements` | `{"verdict":"complete"\|"pending"\|"failed","failure":{"requirement","code","reason"}}` provides what is missing; `{"demand":["individual.verification.document"],"seconds":86400}` requires more by a deadline, with `"later":true` only from then on, and with `"eventually":true` at some point |
//! | `POST /_admin/accounts/{id}/payout` | pays out everything available, as the account's schedule would |
//! | `POST /_admin/payouts/{id}/fail`, `/arrive` | the bank returns a payout: `{"reason":"account_closed"}`; the payout arrives |
//! | `POST /_admin/accounts/{id}/deauthorize` | the seller revokes the platform's access |
//! | `POST /_admin/payment_intents/{id}/authenticate` | `{"outcome":"succeed"\|"fail"}`; `setup_intents` likewise |
//! | `POST /_admin/payment_intents/{id}/clear` | the bank answers a debit: `{"outcome":"succeed"\|"fail"}` |
//! | `POST /_admin/checkout/sessions/{id}/pay` | `{"card":"pm_card_visa","email","promotion_code"}`; 402 if declined |
//! | `POST /_admin/checkout/sessions/{id}/expire` | |
//! | `POST /_admin/invoices/{id}/pay` | its customer pays it on its page: `{"card":"pm_card_visa"}`; 402 if declined |
//! | `POST /_admin/charges/{id}/dispute` | the cardholder disputes it: `{"reason":"fraudulent","amount","status":"needs_response"\|"warning_needs_response"\|"prevented"}` |
//! | `POST /_admin/charges/{id}/fraud_warning` | the card's issuer warns of it: `{"fraud_type":"made_with_stolen_card"}` |
//! | `POST /_admin/disputes/{id}/close` | `{"outcome":"won"\|"lost"\|"warning_closed"}` |
//! | `POST /_admin/disputes/{id}/escalate`, `/appeal` | an inquiry becomes a chargeback; a lost dispute is reviewed again |
//! | `POST /_admin/refunds/{id}/fail` | the bank returns a refund: `{"reason":"expired_or_canceled_card"}` |
//! | `POST /_admin/refunds/{id}/succeed` | a pending refund arrives |
//! | `POST /_admin/reset` | deletes everything except the endpoints and the key it was started with |
//!
//! The kinds of fault: `delay {ms}` and `delay_after {ms}`; `status {status,code,message,should_retry}` before the work
//! and `status_after {status,should_retry}` after it; `html_503`, `html {status}` and `raw {status,content_type,body}`;
//! `drop_before` and `drop_after` close the connection; `no_answer {work}` leaves it open; `truncate` breaks off the body.

pub(crate) mod objects;
pub(crate) mod read;
pub(crate) mod steer;

//! Types without state: the building blocks of the API.

pub(crate) mod calendar;
pub(crate) mod cards;
pub(crate) mod clock;
pub(crate) mod countries;
pub(crate) mod email;
pub(crate) mod errors;
pub(crate) mod faults;
pub(crate) mod form;
pub(crate) mod html;
pub(crate) mod http;
pub(crate) mod idempotency;
pub(crate) mod ids;
pub(crate) mod json;
pub(crate) mod kind;
pub(crate) mod limits;
pub(crate) mod money;
pub(crate) mod options;
pub(crate) mod params;
pub(crate) mod rates;
pub(crate) mod request_log;
pub(crate) mod versions;

//! Messages to HTTP endpoints, for hooks that tell somebody else what happened: [`Outbox::push`] puts a message into a bounded
//! queue and returns; a worker thread, which begins with the first message, sends them in order, endpoint by endpoint, and tries
//! again where that can help. What an endpoint does not take is kept in a file (the spool) and sent first by the next run.
//!
//! - Delivery is at least once: a message whose answer was lost, or whose process was killed, is sent again, with the same id.
//! - The order of an endpoint's messages stays: while it does not answer, later messages wait behind the first.
//! - What is lost, because a bound was reached, is counted, and [`Outbox::close`] tells it.
//!
//! Requests follow the Standard Webhooks specification (<https://github.com/standard-webhooks/standard-webhooks>): `webhook-id`,
//! `webhook-timestamp` and, with a secret, `webhook-signature`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod endpoint;
mod outbox;
mod send;
mod sign;
mod spool;
mod worker;

pub use endpoint::{Endpoint, Retry, Seconds};
pub use outbox::{Limits, Message, Outbox};
pub use sign::Key;

//! The listener's side: connections, limits, doors, and the way out.
//!
//! [`Listener::bind`] takes the address, [`run`] serves it: one thread, one single-threaded runtime and one socket a worker
//! (`SO_REUSEPORT`), so a request never crosses threads and nothing needs to be `Send`. HTTP/1.1 and HTTP/2 by prior
//! knowledge come in on the same port.
//!
//! What every connection is held to is in [`Limits`]; how a stop goes is in [`Shutdown`]. [`Doors`] tells the operation of a
//! request, [`read_body`] reads what it carries, [`error_response`] is how a refusal looks on the wire.
//!
//! A request that was handed to the [`Service`] is carried to its end even when its client goes away meanwhile: what was
//! forwarded must also be recorded. Only the deadline of a stop cuts it short.

mod body;
mod carried;
mod connection;
mod doors;
mod drain;
mod errors;
mod failed;
mod handler;
mod import;
mod limits;
mod listener;
mod live;
mod lookup;
mod operations;
mod page_token;
mod passage;
mod portion;
mod read;
mod reasons;
mod record;
mod report;
mod request_id;
mod room;
mod routes;
mod rules;
mod server;
mod socket;
mod stream;
mod tally;
mod tls;
mod update;
mod update_v2;
mod whoami;

pub use body::{BodyError, RequestBody, read_body};
pub use doors::{Asked, Door, Doors};
pub use drain::{DrainReport, Grace, Shutdown, Starting, Trigger};
pub use errors::error_response;
pub use handler::{DECISION, Gate, GateSettings};
pub use limits::{Limits, LiveLimits};
pub use listener::{BindError, Listener};
pub use live::{Live, LiveGate};
pub use operations::{ApiOperation, Bypass, Class, OPERATIONS};
pub use page_token::PageTokens;
use passage::Passage;
pub use reasons::{REASONS, Reason, governed, meanwhile, reason};
pub use record::Records;
pub use report::count_policies;
pub use request_id::{RequestId, RequestIds};
pub use routes::{Route, Routes};
pub use server::{RunError, Service, run};
pub use tls::{ClientTls, Prepared, Tls, TlsError, TlsSettings};
pub use whoami::WHOAMI;

#[cfg(test)]
mod tests;

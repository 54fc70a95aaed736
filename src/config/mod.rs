//! The configuration: a TOML file, the environment over it, the command line over both.
//!
//! [`load()`] answers with a [`Config`] that holds only checked values, or with a [`ConfigError`] that tells everything
//! that is wrong at once, each problem with its place, what was expected and what was probably meant. Nothing is
//! passed over in silence: an unknown key, an unknown variable and a key of a later version are errors alike.
//!
//! The reference of all keys is `docs/configuration.md`; [`SETTINGS`] is what it is made from.

mod accounts;
mod audit;
mod bundle;
mod check;
mod checked;
mod discovery;
mod identity;
mod issued;
mod listen;
mod load;
mod members_csv;
mod policies;
mod problem;
mod quota;
mod read;
mod reader;
mod secret;
mod secret_file;
mod settings;
#[cfg(test)]
mod tests;
mod traces;
mod unit;
mod upstream;
mod value;

pub use accounts::{bundled_accounts, read_accounts};
pub use audit::Audit;
pub use bundle::{FetchedBundle, PolicyBundle, RemoteBundle, public_key};
pub use checked::{
    AssumeRole, Backend, Certificates, ClientAuthorities, Config, Discovery, Identity, Level, Limits, Listen,
    ListenTls, Log, LogFormat, Policies, PrivateKey, Route, Sign, StateLookup, Upstream, Url,
};
pub use identity::{HeaderFront, HeaderIdentity, JwtIdentity, JwtKeys, doubtful_principal};
pub use issued::{IssuedKey, Key, issued_keys};
pub use load::{Flags, admin_from, load, load_trying, log_from, policies_from, policies_named, remote_bundle};
pub use policies::{PolicyPath, is_policy, read_policies, read_properties};
pub use problem::{ConfigError, Problem};
pub use quota::{Breaker, Conduct, EnforceQuota, Quota, QuotaRate};
pub use read::{Reads, recorded};
pub use secret::{Secret, SecretBytes};
pub use settings::{Absent, SETTINGS, Setting, Shape};
pub use traces::{TellBackend, TraceExport, Traces};
pub use unit::duration;

//! A gate's fleet and its issued keys.

use findings_gate::{
    finding::{Accounts, ApiError, Caller, Enforcement, Member},
    identity::{Identity, Key, Keys, Kind, Peer, SigV4},
};
use http::request::Parts;
use jiff::Timestamp;
use std::sync::Arc;

pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const TOKEN: &str = "dummy/session+token==";
pub(crate) const HOST: &str = "gate.example.com:8443";
pub(crate) const TRIAGE: &str = "arn:aws:iam::222222222222:role/triage";
pub(crate) const BODY: &[u8] =
    br#"{"FindingIdentifiers":[{"Id":"a","ProductArn":"p"}],"Workflow":{"Status":"NOTIFIED"}}"#;

pub(crate) fn identity() -> Identity {
    let [administrator, member, outsider] =
        ["111111111111", "222222222222", "999999999999"].map(|id| id.parse().unwrap());
    let payments = Member { name: "payments".into(), groups: Vec::new() };
    let key = |id: &str, account, principal: &str| Key::new(id, SECRET, account, principal).unwrap();
    let keys = Keys::new([
        key("AKIDEXAMPLE", member, TRIAGE),
        key("ASIDEXAMPLE", administrator, "session").session_token(TOKEN).unwrap(),
        key("STRICT", member, "ticket sync").minimum_enforcement(Enforcement::Refuse),
        key("OUTSIDE", outsider, "outsider"),
    ]);
    let accounts = Accounts::new(administrator, [(member, payments)]);
    Identity::new(vec![Kind::SigV4(SigV4::new(keys.unwrap(), ["eu-west-1"]))], Arc::new(accounts))
}

pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn identify(head: &Parts, body: &[u8], now: Timestamp) -> Result<Caller, ApiError> {
    identify_by(&identity(), head, body, now)
}

pub(crate) fn identify_by(identity: &Identity, head: &Parts, body: &[u8], now: Timestamp) -> Result<Caller, ApiError> {
    let peer = peer();
    let pending = identity.begin(head, &peer, || now)?;
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending.finish(body))
}

pub(crate) fn peer() -> Peer {
    Peer::new(([127, 0, 0, 1], 40_000).into())
}

//! An issuer of tokens.

#[path = "../../src/identity/testing/mod.rs"]
mod testing;

pub(crate) use testing::{Server, Signer};

const DOCUMENT: &str = "/.well-known/openid-configuration";

/// A server that publishes keys, and says where they are.
#[derive(Debug)]
pub(crate) struct Issuer(Server);

impl Issuer {
    /// An issuer with the keys of these signers.
    pub(crate) fn start<'s>(signers: impl IntoIterator<Item = &'s Signer>) -> Self {
        let issuer = Self(Server::start());
        let url = issuer.url();
        let document = serde_json::json!({"issuer": url, "jwks_uri": format!("{url}/keys"), "scopes_supported": []});
        issuer.0.set(DOCUMENT, document.to_string());
        issuer.publish(signers);
        issuer
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Replaces the keys.
    pub(crate) fn publish<'s>(&self, signers: impl IntoIterator<Item = &'s Signer>) {
        self.0.set("/keys", Signer::set(signers));
    }

    /// From now on, connections are closed without an answer.
    pub(crate) fn stop(&self) {
        self.0.stop();
    }

    /// How often the keys were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked().iter().filter(|path| *path == "/keys").count()
    }
}

//! Issuers' keys and their tokens.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, crypto::aws_lc::DEFAULT_PROVIDER, jwk::Jwk};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

/// A private key, and the id under which its public half is published.
pub(crate) struct Signer {
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
    pem: String,
}

impl Signer {
    /// A new key for this algorithm.
    pub(crate) fn new(algorithm: Algorithm, kid: &str) -> Self {
        let pair = match algorithm {
            Algorithm::ES256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Algorithm::ES384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Algorithm::EdDSA => KeyPair::generate_for(&PKCS_ED25519),
            _ => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        };
        let pair = pair.unwrap();
        let der = pair.serialize_der();
        let public = pair.public_key_raw();
        let curve = |name: &str| {
            let (x, y) = public[1..].split_at((public.len() - 1) / 2);
            json!({"kty": "EC", "crv": name, "x": encode(x), "y": encode(y)})
        };
        let (key, mut jwk) = match algorithm {
            Algorithm::ES256 => (EncodingKey::from_ec_der(&der), curve("P-256")),
            Algorithm::ES384 => (EncodingKey::from_ec_der(&der), curve("P-384")),
            Algorithm::EdDSA => {
                (EncodingKey::from_ed_der(&der), json!({"kty": "OKP", "crv": "Ed25519", "x": encode(public)}))
            }
            _ => {
                // The key as PKCS #1, which stands behind 26 bytes of PKCS #8 for a modulus of 2048 bits.
                let key = EncodingKey::from_rsa_der(&der[26..]);
                let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap();
                jwk.as_object_mut().unwrap().remove("alg");
                (key, jwk)
            }
        };
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        Self { kid: kid.to_owned(), algorithm, key, jwk, pem: pair.public_key_pem() }
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The public halves as a JWK Set.
    pub(crate) fn set<'s>(signers: impl IntoIterator<Item = &'s Self>) -> String {
        json!({"keys": signers.into_iter().map(Self::jwk).collect::<Vec<_>>()}).to_string()
    }

    /// The public half as a PEM of a `SubjectPublicKeyInfo`.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The public half as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        self.jwk.clone()
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        (DEFAULT_PROVIDER.signer_factory)(&algorithm, &self.key).unwrap().try_sign(message).unwrap()
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": format!("{:?}", self.algorithm), "kid": self.kid, "typ": "JWT"});
        self.token_with(&header, claims)
    }

    /// A token with a header of the test's own.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&encode(header.to_string().as_bytes()), &encode(claims.to_string().as_bytes()), "")
    }

    /// The same as a load balancer writes it: each part ends in `=` where its length asks for it.
    pub(crate) fn padded_token(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&padded(header.to_string().as_bytes()), &padded(claims.to_string().as_bytes()), "==")
    }

    fn token_of(&self, header: &str, payload: &str, end: &str) -> String {
        let signed = format!("{header}.{payload}");
        let signature = encode(&self.sign(self.algorithm, signed.as_bytes()));
        format!("{signed}.{signature}{end}")
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn padded(bytes: &[u8]) -> String {
    let text = encode(bytes);
    let missing = (4 - text.len() % 4) % 4;
    text + &"=".repeat(missing)
}

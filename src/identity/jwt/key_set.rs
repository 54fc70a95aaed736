//! The keys that an issuer signs with (RFC 7517), and the algorithms that each may be used for.

use jsonwebtoken::{Algorithm, DecodingKey, crypto::aws_lc::DEFAULT_PROVIDER};
use serde::Deserialize;
use std::fmt;

/// The most keys of a set that are kept: issuers have one to ten.
const MOST_KEYS: usize = 100;

const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];
const P256: &[Algorithm] = &[Algorithm::ES256];
const P384: &[Algorithm] = &[Algorithm::ES384];
const ED25519: &[Algorithm] = &[Algorithm::EdDSA];

/// A key that verifies signatures.
#[derive(Clone)]
pub(in crate::identity) struct VerifyingKey {
    kid: Option<String>,
    /// What the key itself says that it is for. What a token says has no part in it.
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// The keys of one issuer that can be used here.
#[derive(Debug, Clone)]
pub(in crate::identity) struct KeySet(Vec<VerifyingKey>);

/// The key that a token means.
#[derive(Debug)]
pub(super) enum Meant<'k> {
    /// This one.
    Key(&'k VerifyingKey),
    /// There is none of that id.
    Unknown,
    /// There is one, and it is for other algorithms.
    OtherAlgorithm,
    /// The token names none, and it could be several.
    Unnamed,
}

/// A JWK as it comes. Members are strings or the key is not used.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWK Set. Keys that are for something else, or that cannot be read, are left out, as RFC 7517, section 5, says; so a set
    /// may have none that is left. The error is the end of a sentence.
    pub(in crate::identity) fn parse(document: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let Document { keys } = serde_json::from_slice(document)
            .map_err(|error| format!("is no JWK Set (a JSON object with a list `keys`): {error}"))?;
        if keys.len() > MOST_KEYS {
            return Err(format!("has {} keys: expected at most {MOST_KEYS}", keys.len()));
        }
        let usable = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok()?.verifying());
        Ok(Self(usable.collect()))
    }

    pub(in crate::identity) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key that a token means by its `kid` and its `alg`. Without a `kid`, it must be the only one for that algorithm.
    pub(super) fn meant(&self, kid: Option<&str>, algorithm: Algorithm) -> Meant<'_> {
        let named = |key: &&VerifyingKey| kid.is_none_or(|kid| key.kid.as_deref() == Some(kid));
        let mut fitting = self.0.iter().filter(named).filter(|key| key.algorithms.contains(&algorithm));
        match (fitting.next(), kid.is_some() || fitting.next().is_none()) {
            (Some(key), true) => Meant::Key(key),
            (Some(_), false) => Meant::Unnamed,
            (None, _) if self.0.iter().any(|key| named(&key)) => Meant::OtherAlgorithm,
            (None, _) => Meant::Unknown,
        }
    }
}

/// How many keys of a JWK Set can be used here, or why it is none. The error is the end of a sentence.
pub fn check_key_set(document: &[u8]) -> Result<usize, String> {
    KeySet::parse(document).map(|set| set.len())
}

impl VerifyingKey {
    /// A key on the curve P-256, for ES256, as a `SubjectPublicKeyInfo` in DER.
    pub(in crate::identity) fn p256_from_der(der: &[u8]) -> Self {
        Self { kid: None, algorithms: P256.to_vec(), key: DecodingKey::from_ec_der(der) }
    }

    /// Whether the signature is one of this key over the message. The cryptography is named here, not taken from the crate's setting for
    /// the whole process, which panics where nobody made it.
    pub(in crate::identity) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &Vec<u8>) -> bool {
        self.algorithms.contains(&algorithm)
            && (DEFAULT_PROVIDER.verifier_factory)(&algorithm, &self.key)
                .is_ok_and(|verifier| verifier.verify(message, signature).is_ok())
    }
}

impl Jwk {
    /// The key, if it is one for verifying signatures by an algorithm of ours.
    fn verifying(self) -> Option<VerifyingKey> {
        if self.purpose.is_some_and(|purpose| purpose != "sig")
            || self.key_ops.is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
        {
            return None;
        }
        let (algorithms, key) = match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => (RSA, DecodingKey::from_rsa_components(&self.n?, &self.e?).ok()?),
            ("EC", Some("P-256")) => (P256, DecodingKey::from_ec_components(&self.x?, &self.y?).ok()?),
            ("EC", Some("P-384")) => (P384, DecodingKey::from_ec_components(&self.x?, &self.y?).ok()?),
            ("OKP", Some("Ed25519")) => (ED25519, DecodingKey::from_ed_components(&self.x?).ok()?),
            // `oct` among them: a secret that is published is none.
            _ => return None,
        };
        let pinned = self.alg.as_deref();
        let algorithms: Vec<_> =
            algorithms.iter().copied().filter(|own| pinned.is_none_or(|alg| algorithm(alg) == Some(*own))).collect();
        (!algorithms.is_empty()).then_some(VerifyingKey { kid: self.kid, algorithms, key })
    }
}

/// The algorithm of that name, if it is one of ours: neither `none` nor one by a shared secret.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    [RSA, P256, P384, ED25519].iter().copied().flatten().copied().find(|known| name_of(*known) == name)
}

fn name_of(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::RS384 => "RS384",
        Algorithm::RS512 => "RS512",
        Algorithm::PS256 => "PS256",
        Algorithm::PS384 => "PS384",
        Algorithm::PS512 => "PS512",
        Algorithm::ES256 => "ES256",
        Algorithm::ES384 => "ES384",
        Algorithm::EdDSA => "EdDSA",
        _ => "",
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::testing::Signer;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    fn kept(document: &str) -> Vec<String> {
        let set = KeySet::parse(document.as_bytes()).unwrap();
        set.0.iter().map(|key| format!("{:?} {:?}", key.kid.as_deref().unwrap_or_default(), key.algorithms)).collect()
    }

    #[test]
    fn a_key_says_what_it_may_be_used_for() {
        let all = "[RS256, RS384, RS512, PS256, PS384, PS512]";
        for (members, expected) in [
            (r#""kty":"RSA","n":"AQAB","e":"AQAB""#, Some(all)),
            (r#""kty":"RSA","n":"AQAB","e":"AQAB","use":"sig","key_ops":["verify"],"x5c":["x"]"#, Some(all)),
            (r#""kty":"RSA","n":"AQAB","e":"AQAB","alg":"PS384""#, Some("[PS384]")),
            (r#""kty":"RSA","n":"AQAB","e":"AQAB","alg":"HS256""#, None),
            (r#""kty":"RSA","n":"AQAB","e":"AQAB","alg":"ES256""#, None),
            (r#""kty":"RSA","n":"AQAB","e":"AQAB","alg":"RSA-OAEP""#, None),
            (r#""kty":"RSA","n":"AQAB","e":"AQAB","use":"enc""#, None),
            (r#""kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["encrypt"]"#, None),
            (r#""kty":"RSA","n":"AQAB""#, None),
            (r#""kty":"RSA","n":"A+/=","e":"AQAB""#, None),
            (r#""kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB""#, Some("[ES256]")),
            (r#""kty":"EC","crv":"P-384","x":"AQAB","y":"AQAB""#, Some("[ES384]")),
            (r#""kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB","alg":"ES384""#, None),
            (r#""kty":"EC","crv":"P-521","x":"AQAB","y":"AQAB""#, None),
            (r#""kty":"EC","crv":"secp256k1","x":"AQAB","y":"AQAB""#, None),
            (r#""kty":"OKP","crv":"Ed25519","x":"AQAB""#, Some("[EdDSA]")),
            (r#""kty":"OKP","crv":"Ed448","x":"AQAB""#, None),
            (r#""kty":"oct","k":"AQAB","alg":"HS256""#, None),
            (r#""kty":1"#, None),
        ] {
            let expected: Vec<String> = expected.iter().map(|algorithms| format!("\"k\" {algorithms}")).collect();
            assert_eq!(kept(&format!(r#"{{"keys":[{{"kid":"k",{members}}}]}}"#)), expected, "{members}");
        }
    }

    #[test]
    fn what_is_no_set_of_keys_is_told() {
        for (document, told) in [
            ("", "is no JWK Set"),
            ("{}", "missing field `keys`"),
            ("[]", "is no JWK Set"),
            (r#"{"keys":{}}"#, "is no JWK Set"),
            (&format!(r#"{{"keys":[{}0]}}"#, "0,".repeat(MOST_KEYS)), "has 101 keys: expected at most 100"),
        ] {
            let error = KeySet::parse(document.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(KeySet::parse(br#"{"keys":[1, "x", {}]}"#).unwrap().len(), 0);
    }

    #[test]
    fn every_algorithm_verifies_what_its_key_signed_and_nothing_else() {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        let signers = [
            Signer::new(RS256, "rsa"),
            Signer::new(ES256, "p256"),
            Signer::new(ES384, "p384"),
            Signer::new(EdDSA, "ed"),
        ];
        let set = KeySet::parse(Signer::set(&signers).as_bytes()).unwrap();
        for (signer, algorithms) in
            signers.iter().zip([&[RS256, RS384, RS512, PS256, PS384, PS512][..], &[ES256], &[ES384], &[EdDSA]])
        {
            for own in algorithms {
                let signature = signer.sign(*own, b"message");
                for other in [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA] {
                    match set.meant(Some(signer.kid()), other) {
                        Meant::Key(key) => {
                            assert_eq!(key.verifies(other, b"message", &signature), other == *own, "{own:?} {other:?}");
                            assert!(!key.verifies(other, b"messagE", &signature));
                            assert!(!key.verifies(other, b"message", &Vec::new()));
                        }
                        meant => {
                            assert!(matches!(meant, Meant::OtherAlgorithm), "{own:?} {other:?}");
                            assert!(!algorithms.contains(&other));
                        }
                    }
                }
            }
        }
    }

    /// RFC 7515, appendices A.2 and A.3, and RFC 8037, appendix A.4.
    #[test]
    fn the_examples_of_the_rfcs_verify() {
        const PAYLOAD: &str =
            "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        for (key, algorithm, signed, signature) in [
            (
                r#""kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ""#,
                Algorithm::RS256,
                format!("eyJhbGciOiJSUzI1NiJ9.{PAYLOAD}"),
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
            ),
            (
                r#""kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#,
                Algorithm::ES256,
                format!("eyJhbGciOiJFUzI1NiJ9.{PAYLOAD}"),
                "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            ),
            (
                r#""kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#,
                Algorithm::EdDSA,
                "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
            ),
        ] {
            let set = KeySet::parse(format!(r#"{{"keys":[{{{key}}}]}}"#).as_bytes()).unwrap();
            let Meant::Key(key) = set.meant(None, algorithm) else { panic!("{algorithm:?}") };
            let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            assert!(key.verifies(algorithm, signed.as_bytes(), &signature), "{algorithm:?}");
            signature[7] ^= 1;
            assert!(!key.verifies(algorithm, signed.as_bytes(), &signature), "{algorithm:?}");
        }
    }

    #[test]
    fn a_token_without_a_key_id_means_the_only_key() {
        let [one, two] = ["one", "two"].map(|kid| Signer::new(Algorithm::ES256, kid));
        let ed = Signer::new(Algorithm::EdDSA, "ed");
        let pair = KeySet::parse(Signer::set([&one, &ed]).as_bytes()).unwrap();
        assert!(matches!(pair.meant(None, Algorithm::ES256), Meant::Key(key) if key.kid.as_deref() == Some("one")));
        assert!(matches!(pair.meant(None, Algorithm::RS256), Meant::OtherAlgorithm));
        assert!(matches!(pair.meant(Some("two"), Algorithm::ES256), Meant::Unknown));
        let alike = KeySet::parse(Signer::set([&two, &Signer::new(Algorithm::ES256, "three")]).as_bytes()).unwrap();
        assert!(matches!(alike.meant(None, Algorithm::ES256), Meant::Unnamed));
        assert!(matches!(KeySet(Vec::new()).meant(None, Algorithm::ES256), Meant::Unknown));
    }

    #[test]
    fn algorithms_have_their_names_and_others_are_none() {
        for name in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
            assert_eq!(algorithm(name).map(|algorithm| format!("{algorithm:?}")).as_deref(), Some(name));
        }
        for name in ["none", "None", "HS256", "HS384", "HS512", "ES512", "rs256", "", "ES256K"] {
            assert_eq!(algorithm(name), None, "{name}");
        }
    }
}

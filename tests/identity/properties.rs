//! Whatever is signed verifies, and nothing that was signed can be changed.

use crate::{
    fixture::{TOKEN, identify, now},
    signer::{Draft, hash},
};
use proptest::prelude::*;

/// Requests with whatever a client may put into path, headers and body.
fn drafts() -> impl Strategy<Value = Draft> {
    let path = proptest::collection::vec("[a-zA-Z0-9_~@:%-]{1,8}", 1..4);
    let value = "[!-~]{1,10}( [!-~]{1,10}){0,2}";
    let extra = proptest::collection::vec(("x-[a-f]{1,3}", value), 0..4);
    let body = proptest::collection::vec(any::<u8>(), 1..200);
    ("[A-Z]{3,7}", path, extra, body, any::<bool>(), any::<bool>()).prop_map(
        |(method, path, extra, body, token, sha)| {
            let mut draft = Draft { method, target: format!("/{}", path.join("/")), body, ..Draft::new() };
            if token {
                draft.key = "ASIDEXAMPLE".into();
                draft.set("x-amz-security-token", TOKEN);
            }
            if sha {
                let hash = hash(&draft.body);
                draft.set("x-amz-content-sha256", hash);
            }
            for (name, value) in extra {
                draft.add(&name, value);
            }
            draft.sign()
        },
    )
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_no_byte_of_it_can_be_another(
        draft in drafts(),
        place in any::<proptest::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        prop_assert!(draft.identify().is_ok(), "{:?}", draft.identify());

        let Draft { mut method, mut target, mut headers, mut body, .. } = draft.clone();
        let mut bytes: Vec<&mut u8> = Vec::new();
        let (mut method_bytes, mut target_bytes) = (method.into_bytes(), target.into_bytes());
        bytes.extend(&mut method_bytes);
        bytes.extend(&mut target_bytes);
        bytes.extend(&mut body);
        bytes.extend(headers.iter_mut().flat_map(|(_, value)| value));
        let byte = place.get_mut(&mut bytes);
        let before = **byte;
        **byte ^= flip;
        // A tab is as good as a space.
        prop_assume!((before, **byte) != (b' ', b'\t'));
        method = String::from_utf8_lossy(&method_bytes).into_owned();
        target = String::from_utf8_lossy(&target_bytes).into_owned();
        let flipped = Draft { method, target, headers, body, ..draft };
        // Otherwise it is no HTTP request, and no listener lets it through.
        if let Some(head) = flipped.parts() {
            prop_assert!(identify(&head, &flipped.body, now()).is_err(), "{flipped:?}");
        }
    }

    #[test]
    fn no_header_makes_it_panic(
        authorization in "(AWS4-HMAC-SHA256 )?[ -~]{0,80}",
        date in "[0-9TZ]{14,17}",
        list in "[a-z;-]{0,30}",
    ) {
        let mut draft = Draft::new().sign();
        draft.edit("authorization", "content-type;host;x-amz-date", &list);
        let _ = draft.identify();
        draft.set("x-amz-date", date);
        prop_assert!(draft.identify().is_err());
        draft.set("authorization", authorization);
        prop_assert!(draft.identify().is_err());
    }
}

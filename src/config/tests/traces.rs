//! `[traces]`: what needs a build that exports, and what is told of one that does not.

use super::*;

#[test]
fn what_is_about_an_export_needs_one() {
    for (key, value) in [
        ("sample", "\"0.5\""),
        ("service", "\"gate\""),
        ("attributes", "[\"a=b\"]"),
        ("headers", "\"x\""),
        ("ca", "\"x\""),
    ] {
        let place = Place::new(&format!("{SMALLEST}\n[traces]\n{key} = {value}\n"));
        let told = place.told(place.load());
        let expected =
            format!("`traces.{key}` is about spans that are sent to a collector, and `traces.endpoint` is not set");
        assert!(told.contains(&expected), "{told}");
    }
    let place = Place::new(&format!("{SMALLEST}\n[traces]\nbackend = \"off\"\n"));
    let traces = place.load().unwrap().traces;
    assert!(traces.backend == TellBackend::Off && traces.export.is_none());
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_the_export_says_how_to_build_it() {
    let place = Place::new(&format!("{SMALLEST}\n[traces]\nendpoint = \"http://127.0.0.1:4318\"\n"));
    let told = place.told(place.load());
    assert!(
        told.contains("`traces.endpoint` is set, and this program was built without the export of traces"),
        "{told}"
    );
    assert!(told.contains("cargo build --release --features otlp"), "{told}");
}

#[cfg(feature = "otlp")]
#[test]
fn an_export_is_read_and_what_is_wrong_with_it_told() {
    let load = |more: &str, headers: &str| {
        let place =
            Place::new(&format!("{SMALLEST}\n[traces]\nendpoint = \"https://collector.example:4318\"\n{more}\n"));
        place.write("headers.txt", headers);
        place.private("headers.txt");
        let loaded = place.load();
        loaded.map_err(|error| place.told(Err(error)))
    };
    let export = load("", "").unwrap().traces.export.unwrap();
    assert!((export.sample - 0.01).abs() < 1e-9 && export.headers.is_empty());
    assert_eq!((export.service.as_str(), export.endpoint.host()), ("findings-gate", "collector.example"));
    let more = "sample = \"1\"\nheaders = \"headers.txt\"\nservice = \"gate\"\nattributes = [\"a.b=c=d\"]";
    let config = load(more, "Authorization: Bearer s3cret\n\nx-team: security\n").unwrap();
    assert!(!format!("{:?}", config.traces).contains("s3cret"));
    let export = config.traces.export.unwrap();
    let headers: Vec<_> = export.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("authorization", "Bearer s3cret"), ("x-team", "security")]);
    assert_eq!(export.attributes, [("a.b".to_owned(), "c=d".to_owned())]);
    for (more, headers, expected) in [
        ("sample = \"2\"", "", "expected a number from 0 to 1"),
        ("sample = \"NaN\"", "", "expected a number from 0 to 1"),
        ("attributes = [\"a\"]", "", "expected a list such as"),
        ("headers = \"headers.txt\"", "fine: x\ns3cret", "line 2 of"),
        ("headers = \"nowhere\"", "", "there is no such file"),
        ("service = \"\"", "", "expected a name"),
    ] {
        let told = load(more, headers).unwrap_err();
        assert!(told.contains(expected) && !told.contains("s3cret"), "{told}");
    }
}

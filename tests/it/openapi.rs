//! The committed API document is the one that the handlers make.

use std::fs;
use std::path::Path;

use rillmark::http::{OPENAPI_DOCUMENT, ROUTES};
use rillmark::markdown::options::OPTIONS;
use serde_json::Value;

use crate::helpers::spawn_app;

/// `RILLMARK_BLESS=1 cargo test --test it openapi::` writes the document anew.
#[test]
fn the_committed_document_is_what_the_handlers_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/openapi.json");
    if std::env::var("RILLMARK_BLESS").is_ok_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, OPENAPI_DOCUMENT.as_str()).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(committed == OPENAPI_DOCUMENT.as_str(), "openapi/openapi.json drifted: run again with RILLMARK_BLESS=1");
}

#[tokio::test]
async fn the_served_document_is_the_committed_one() {
    let served = spawn_app().get("/openapi.json").await;
    assert_eq!(served.headers()["content-type"], "application/json");
    assert_eq!(served.text().await.unwrap(), *OPENAPI_DOCUMENT.as_str());
}

#[test]
fn every_route_for_programs_and_every_option_is_documented() {
    let document: Value = serde_json::from_str(&OPENAPI_DOCUMENT).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let for_people = ["/", "/docs", "/docs/", "/docs/{file}", "/assets/{file}", "/client-{hash}.js"];
    for spec in ROUTES {
        let documented = !document["paths"][spec.path].is_null();
        assert_eq!(documented, !for_people.contains(&spec.path), "{}", spec.path);
    }
    for spec in OPTIONS {
        assert!(
            document["components"]["schemas"]["RenderOptions"]["properties"][spec.name].is_object(),
            "{}",
            spec.name
        );
    }
    let render = &document["paths"]["/render"]["post"];
    assert_eq!(render["parameters"].as_array().unwrap().len(), OPTIONS.len());
    for status in ["200", "400", "401", "403", "405", "408", "413", "415", "422", "429", "500", "503"] {
        assert!(render["responses"][status].is_object(), "{status}");
    }
}

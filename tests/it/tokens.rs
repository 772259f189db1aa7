//! Tokens over real sockets: what opens, what is forged, where one may stand, and what pages may do with it.
//!
//! Each way to forge a token is a row in `src/auth/token/tests.rs`; here is what proves that routes ask.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header, encode};
use rillmark::auth::{AuthOptions, Tokens};
use rillmark::limits::LimitsOptions;
use serde_json::{Value, json};

use crate::wire::{Answer, Place, Service};

const APP: &str = "https://app.example";
const KEY: &str = "correct-horse-battery";
const SECRET: &str = "correct-horse-battery-staple-0123";
const OPS: &str = "POST /channels/chat-42/ops";
const CANCEL: &str = "DELETE /channels/chat-42/streams/response";
const BATCH: &str = r#"{"stream":"response","ops":[{"op":"start"},{"op":"markdown","text":"Hello **world**"}]}"#;

fn service_with(limits: LimitsOptions) -> Service {
    Service::start(|options| {
        options.auth = AuthOptions {
            api_keys: vec![KEY.into()],
            token_secrets: vec![SECRET.into(), "an-older-secret-that-still-opens-things".into()],
            allowed_origins: vec![APP.parse().unwrap()],
            ..Default::default()
        };
        options.limits = limits;
    })
}

fn service() -> Service {
    service_with(LimitsOptions { publish_rate: 0, ..Default::default() })
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that allow to publish and to cancel on `chat-42`, for half a minute.
fn claims() -> Value {
    let channels = json!({"publish": ["chat-42"], "cancel": ["chat-42"]});
    json!({"exp": now() + 30, "aud": "rillmark", "sub": "u7", "rillmark": channels})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn sign(claims: &Value, secret: &str) -> String {
    // Installs what signs.
    drop(Tokens::new(&[], "rillmark"));
    encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// Asks with `credential` as bearer and these headers.
fn ask(place: &Place, request: &str, credential: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {credential}");
    let mut all = vec![("Host", "md.example"), ("Content-Type", "application/json")];
    if !credential.is_empty() {
        all.push(("Authorization", &bearer));
    }
    all.extend_from_slice(headers);
    place.ask(request, &all, if request.starts_with("POST") { BATCH } else { "" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_its_claims_say_and_nothing_else() {
    let service = service();
    let token = sign(&claims(), SECRET);
    for place in service.places() {
        for (request, by_token, by_nothing) in [
            (OPS, 200, 401),
            ("GET /channels/chat-42", 403, 401),
            ("GET /channels/chat-42/streams/response", 403, 401),
            ("POST /channels/chat-43/ops", 403, 401),
            ("POST /channels/chat-4/ops", 403, 401),
            ("POST /channels/chat-42%20/ops", 403, 401),
            ("DELETE /channels/chat-43/streams/response", 403, 401),
            ("DELETE /channels/chat-42", 403, 401),
            (CANCEL, 200, 401),
        ] {
            assert_eq!(ask(place, request, &token, &[]).status, by_token, "{request}");
            assert_eq!(ask(place, request, "", &[]).status, by_nothing, "{request}");
        }
        assert_eq!(ask(place, "POST /render", &token, &[]).status, 401, "to render is for keys");
        assert_eq!(ask(place, "GET /channels/chat-42", KEY, &[]).status, 200);
    }
}

/// CWE-347 (forged signatures), CVE-2015-9235 (another algorithm), CWE-613 (expired), CWE-287.
#[tokio::test(flavor = "multi_thread")]
async fn forged_and_wrong_tokens_are_refused_and_all_alike() {
    let service = service();
    let good = sign(&claims(), SECRET);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (_, payload) = message.split_once('.').unwrap();
    let long = sign(&with("rillmark", json!({"publish": vec!["chat-42"; 800]})), SECRET);
    assert!(long.len() > 8 * 1024);
    let mut told = Vec::new();
    for (what, credential) in [
        ("nothing", String::new()),
        ("no token", "wrong".to_owned()),
        ("the secret itself", SECRET.to_owned()),
        ("signed with the API key", sign(&claims(), KEY)),
        ("signed with an empty secret", sign(&claims(), "")),
        ("alg none", format!("eyJhbGciOiJub25lIn0.{payload}.")),
        ("alg none with the signature", format!("eyJhbGciOiJub25lIn0.{payload}.{signature}")),
        ("without the signature", format!("{message}.")),
        ("with a part of the signature", good[..good.len() - 2].to_owned()),
        ("with more behind it", format!("{good}.{signature}")),
        ("expired", sign(&with("exp", json!(now() - 40)), SECRET)),
        ("not valid yet", sign(&with("nbf", json!(now() + 60)), SECRET)),
        ("for another audience", sign(&with("aud", json!("another")), SECRET)),
        ("for nobody", sign(&with("aud", json!([])), SECRET)),
        ("without our claim", sign(&with("rillmark", json!(null)), SECRET)),
        ("with a pattern that is none", sign(&with("rillmark", json!({"publish": ["*-42"]})), SECRET)),
        ("long", long),
    ] {
        let answer = ask(service.tcp(), OPS, &credential, &[]);
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{what}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
        let mut body: Value = serde_json::from_str(&answer.body).unwrap();
        body.as_object_mut().unwrap().remove("instance");
        told.push(body);
    }
    assert!(told.iter().all(|body| *body == told[0]), "{told:?}");
    assert_eq!(ask(service.tcp(), OPS, &good, &[]).status, 200);
    let older = sign(&claims(), "an-older-secret-that-still-opens-things");
    assert_eq!(ask(service.tcp(), OPS, &older, &[]).status, 200, "a secret that is being rotated out");
}

/// CWE-598: what stands in a URL is kept in logs and histories. CWE-352: what a browser sends by itself.
#[tokio::test(flavor = "multi_thread")]
async fn where_a_token_stands_decides_what_it_opens() {
    let service = service();
    let tcp = service.tcp();
    let (short, lasting) = (sign(&claims(), SECRET), sign(&with("exp", json!(now() + 3_600)), SECRET));
    let by_query = |token: &str| ask(tcp, &format!("{CANCEL}?token={token}"), "", &[]).status;
    assert_eq!((by_query(&short), by_query(&lasting), by_query(KEY)), (200, 401, 401));
    assert_eq!(by_query(&format!("{short}&token={short}")), 401, "twice is not once");
    assert_eq!(ask(tcp, &format!("{CANCEL}?token={short}"), "wrong", &[]).status, 401, "the header decides");
    assert_eq!(ask(tcp, &format!("{CANCEL}?token=wrong"), &lasting, &[]).status, 200, "the header decides");
    let markdown = [("Host", "md.example"), ("Content-Type", "text/markdown")];
    let reply = |query: &str| tcp.ask(&format!("POST /channels/chat-42/streams/reply?{query}"), &markdown, "Hi");
    assert_eq!(reply(&format!("tail=escape&token={short}")).status, 200, "it is no option of the renderer");
    assert_eq!(reply(&format!("token={lasting}")).status, 401);
    let cookie = format!("__Host-rillmark={short}");
    let from_own_page = [("Cookie", cookie.as_str()), ("Origin", "https://md.example")];
    for request in [OPS, CANCEL] {
        assert_eq!(ask(tcp, request, "", &from_own_page).status, 401, "a cookie changes nothing: {request}");
    }
    let refused = ask(tcp, &format!("{OPS}?token={lasting}"), "", &[]);
    assert!(!refused.body.contains(&lasting) && !refused.body.contains(SECRET), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_allowed_origins_may_cancel_and_others_may_not() {
    let service = service();
    let tcp = service.tcp();
    let token = sign(&claims(), SECRET);
    for (origin, status, told) in [
        (APP, 200, Some(APP)),
        ("https://md.example", 200, None),
        ("https://evil.example", 403, None),
        ("https://app.example.evil.example", 403, None),
        ("http://app.example", 403, None),
        ("null", 403, None),
    ] {
        let answer = ask(tcp, CANCEL, &token, &[("Origin", origin)]);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, told), "{origin}");
        assert!(answer.header("vary").unwrap().contains("Origin"), "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{origin}");
    }
    let refused = ask(tcp, CANCEL, "wrong", &[("Origin", APP)]);
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(APP)), "it can be read");
    let preflight = [("Origin", APP), ("Access-Control-Request-Method", "DELETE")];
    let answer = ask(tcp, "OPTIONS /channels/chat-42/streams/response", "", &preflight);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some(APP)));
    assert!(answer.header("access-control-allow-methods").unwrap().contains("DELETE"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("authorization"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_are_counted_by_sub_and_tries_by_address() {
    let service = service_with(LimitsOptions { publish_rate: 1, burst_seconds: 3_000, ..Default::default() });
    let tcp = service.tcp();
    let of = |sub: &str| sign(&with("sub", json!(sub)), SECRET);
    let (first, second) = (of("u7"), of("u8"));
    let heavy = format!(r#"{{"stream":"s","ops":[{}]}}"#, [r#"{"op":"markdown","text":"x"}"#; 900].join(","));
    let send = |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers =
            [("Host", "md.example"), ("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        tcp.ask(OPS, &headers, &heavy)
    };
    assert_eq!([(); 3].map(|()| send(&first).status), [200, 200, 200]);
    let refused = send(&first);
    assert_eq!((refused.status, refused.problem().as_str()), (429, "rate-limited"));
    assert!(refused.header("ratelimit-policy").unwrap().starts_with("\"publish\";q=3000"), "{refused:?}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert_eq!(send(&second).status, 200, "another sub");
    assert_eq!(ask(tcp, OPS, KEY, &[]).status, 200, "a key");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_and_secrets_programs_of_this_machine_publish_and_pages_do_not() {
    let service = Service::start(|_| {});
    let tcp = service.tcp();
    let local = |headers: &[(&str, &str)]| {
        let all = [&[("Host", "localhost"), ("Content-Type", "application/json")], headers].concat();
        tcp.ask(OPS, &all, BATCH).status
    };
    assert_eq!(local(&[]), 200);
    for foreign in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("Forwarded", "for=203.0.113.9"),
    ] {
        assert_eq!(local(&[foreign]), 403, "{foreign:?}");
    }
    assert_eq!(ask(tcp, OPS, "", &[]).status, 403, "a rebound name");
}

/// An answer to a token never waits for what the token says: a million claims are not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_full_of_token_is_refused_at_once() {
    let service = service();
    let huge = "a".repeat(60_000);
    let started = std::time::Instant::now();
    let answer = ask(service.tcp(), OPS, &huge, &[]);
    assert!([401, 431].contains(&answer.status), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

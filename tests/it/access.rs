//! Who may call, over real sockets: API keys, keyless mode, origins, proxies.
//!
//! Each line of keyless mode is a row of a table in `src/auth/pages.rs`; here is what proves that the rows are asked.

use rillmark::auth::AuthOptions;
use rillmark::limits::LimitsOptions;

use crate::wire::Service;

const APP: &str = "https://app.example";
const KEY: (&str, &str) = ("Authorization", "Bearer correct-horse-battery");

fn keyed() -> AuthOptions {
    AuthOptions {
        api_keys: vec!["retired-but-still-valid".into(), "correct-horse-battery".into()],
        allowed_origins: vec![APP.parse().unwrap()],
        ..Default::default()
    }
}

fn keyless() -> AuthOptions {
    AuthOptions { allowed_origins: vec![APP.parse().unwrap()], ..Default::default() }
}

fn service(auth: AuthOptions) -> Service {
    Service::start(|options| options.auth = auth)
}

#[tokio::test(flavor = "multi_thread")]
async fn rendering_needs_one_of_the_keys_and_refusals_are_all_alike() {
    let service = service(keyed());
    for place in service.places() {
        for key in ["correct-horse-battery", "retired-but-still-valid"] {
            assert_eq!(place.render(&[("Authorization", &format!("Bearer {key}"))], "x").status, 200);
        }
        let refused = [
            &[][..],
            &[("Authorization", "Bearer wrong")],
            &[("Authorization", "Basic correct-horse-battery")],
            &[("Authorization", "Bearer correct-horse-batter")],
            &[KEY, KEY],
        ];
        let mut told = Vec::new();
        for headers in refused {
            let answer = place.render(headers, "x");
            assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"), "{headers:?}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            let mut body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            body.as_object_mut().unwrap().remove("instance");
            told.push(body);
        }
        assert!(told.iter().all(|body| *body == told[0]), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_read_even_by_who_sends_a_long_body() {
    let service = service(keyed());
    let document = "word ".repeat(400_000);
    for place in service.places() {
        let answer = place.render(&[("Authorization", "Bearer wrong")], &document);
        assert_eq!((answer.status, answer.problem().as_str()), (401, "unauthorized"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_key_is_served_without_one() {
    let service = service(keyed());
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs/", "/problems/busy", "/"] {
        let answer = service.tcp().ask(&format!("GET {path}"), &[("Host", "md.example")], "");
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keyless_mode_answers_programs_of_this_machine_only() {
    let service = service(keyless());
    let tcp = service.tcp();
    for (headers, expected) in [
        (&[][..], 200),
        (&[("Origin", APP)], 200),
        (&[("Sec-Fetch-Site", "same-origin")], 200),
        (&[("Origin", "https://evil.example")], 403),
        (&[("Origin", "null")], 403),
        (&[("Origin", APP), ("Origin", APP)], 403),
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
        (&[("X-Forwarded-For", "203.0.113.9")], 403),
        (&[("X-Forwarded-Anything", "")], 403),
        (&[("Forwarded", "for=203.0.113.9")], 403),
    ] {
        for place in service.places() {
            let answer = place.render(headers, "*x*");
            assert_eq!(answer.status, expected, "{place:?} {headers:?} {answer:?}");
            if expected == 403 {
                assert_eq!(answer.problem(), "forbidden");
            }
        }
    }
    let host = service.app.address.to_string();
    let own = format!("http://{host}");
    let to_its_own_name = [("Host", host.as_str()), ("Origin", &own), ("Content-Type", "text/plain")];
    assert_eq!(tcp.ask("POST /render", &to_its_own_name, "x").status, 200);
}

/// CWE-350: a page whose own name was pointed to 127.0.0.1 is of the same origin as we are, for its browser.
#[tokio::test(flavor = "multi_thread")]
async fn a_rebound_name_reaches_nothing_over_tcp() {
    let service = service(keyless());
    let rebound =
        [("Host", "evil.example:8700"), ("Origin", "http://evil.example:8700"), ("Sec-Fetch-Site", "same-origin")];
    for request in ["POST /render", "GET /metrics", "GET /openapi.json", "GET /nothing"] {
        let answer = service.tcp().ask(request, &rebound, "");
        assert_eq!((answer.status, answer.problem().as_str()), (403, "forbidden"), "{request}");
    }
    let target = service.tcp().ask("GET http://evil.example/metrics", &[("Host", "localhost")], "");
    assert!(target.status == 403 || target.status == 400, "{target:?}");
    let over_unix = [("Host", "any.name.at.all"), ("Content-Type", "text/plain")];
    assert_eq!(service.unix().ask("POST /render", &over_unix, "x").status, 200, "no browser reaches a Unix socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn keyless_mode_shows_liveness_and_pages_for_people_to_anyone() {
    let service = service(keyless());
    let foreign = [("Host", "md.example"), ("X-Forwarded-For", "203.0.113.9"), ("Sec-Fetch-Site", "cross-site")];
    let navigating = [&foreign[..], &[("Sec-Fetch-Mode", "navigate")]].concat();
    for path in ["/healthz", "/readyz"] {
        assert_eq!(service.tcp().ask(&format!("GET {path}"), &foreign, "").status, 200, "{path}");
    }
    for path in ["/", "/docs/", "/problems/forbidden"] {
        assert_eq!(service.tcp().ask(&format!("GET {path}"), &navigating, "").status, 200, "{path}");
        assert_eq!(service.tcp().ask(&format!("GET {path}"), &foreign, "").status, 403, "{path}");
    }
    assert_eq!(service.tcp().ask("GET /metrics", &navigating, "").status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_allowed_origin_is_told_that_it_may() {
    let service = service(keyed());
    let asks = |origin: &str| {
        let headers = [("Host", "md.example"), ("Origin", origin), ("Access-Control-Request-Method", "POST")];
        service.tcp().ask("OPTIONS /render", &headers, "")
    };
    let preflight = asks(APP);
    assert_eq!((preflight.status, preflight.body.as_str()), (204, ""));
    assert_eq!(preflight.header("access-control-allow-origin"), Some(APP));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST"));
    assert!(preflight.header("vary").unwrap().contains("Origin"));
    assert_eq!(asks("https://evil.example").status, 403);

    for (headers, status, allowed) in [
        (&[KEY, ("Origin", APP)][..], 200, Some(APP)),
        (&[("Origin", APP)], 401, Some(APP)),
        (&[KEY, ("Origin", APP), ("Content-Encoding", "gzip")], 415, Some(APP)),
        (&[KEY, ("Origin", "https://evil.example")], 403, None),
        (&[KEY], 200, None),
    ] {
        let answer = service.tcp().render(headers, "x");
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, allowed), "{headers:?}");
        assert!(answer.header("vary").unwrap().contains("Origin"), "{headers:?} {answer:?}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_trusted_proxies_name_the_client() {
    let limits = LimitsOptions { render_rate: 1, burst_seconds: 50, ..Default::default() };
    for (trusted, in_place_of_the_peer) in [(&["127.0.0.1", "unix"][..], true), (&[], false)] {
        let trusted_proxies = trusted.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let auth = AuthOptions { trusted_proxies, ..keyed() };
        for at in 0..2 {
            let settings = (auth.clone(), limits.clone());
            let service = Service::start(|options| (options.auth, options.limits) = settings);
            let place = &service.places()[at];
            let tries_until_refused = |client: &str| {
                let headers = [("X-Forwarded-For", client), ("Authorization", "Bearer guess")];
                (0..1_000).take_while(|_| place.render(&headers, "x").status == 401).count()
            };
            assert!((50..1_000).contains(&tries_until_refused("6.6.6.6, 203.0.113.1")), "{place:?}");
            let of_another = tries_until_refused("6.6.6.6, 203.0.113.2");
            assert_eq!(of_another >= 50, in_place_of_the_peer, "{place:?} {of_another}");
            assert_eq!(place.render(&[KEY, ("X-Forwarded-For", "203.0.113.1")], "x").status, 200);
        }
    }
}

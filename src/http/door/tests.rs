//! The door over a small application: one path for each need, each answering what it was told of the visitor.

use std::time::{Duration, SystemTime};

use actix_web::App;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service, read_body, try_call_service};

use super::*;
use crate::auth::{AuthOptions, NewToken, Tokens};
use crate::limits::LimitsOptions;

const APP: &str = "https://app.example";
const SECRET: &str = "correct-horse-battery-staple-0123";

/// A token for `chat-1` to subscribe and `chat-2` to publish and cancel, for a minute.
fn token(sub: Option<&str>) -> String {
    let one = |text: &str| vec![text.parse().unwrap()];
    let new = NewToken {
        subscribe: one("chat-1"),
        publish: one("chat-2"),
        cancel: one("chat-2"),
        subject: sub.map(str::to_owned),
        expires: SystemTime::now() + Duration::from_secs(59),
        until: None,
    };
    Tokens::new(&[SECRET.into()], "rillmark").sign(new).unwrap()
}

/// An answer: status, headers, body.
struct Answer(u16, HeaderMap, String);

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.1.get(name).map(|value| value.to_str().unwrap())
    }
}

async fn tell(visitor: web::ReqData<Visitor>) -> String {
    let Ok(pass) = visitor.pass() else { return "nothing shown".to_owned() };
    format!("{} {:?}", if pass.is_backend() { "backend" } else { "browser" }, pass.shown_in())
}

/// What requests in turn are answered, by a service with a key, a secret and a rate of two at once.
async fn answers(requests: Vec<TestRequest>) -> Vec<Answer> {
    let auth = AuthOptions {
        api_keys: vec!["key".into()],
        token_secrets: vec![SECRET.into()],
        allowed_origins: vec![APP.parse().unwrap()],
        ..Default::default()
    };
    let limits = LimitsOptions { publish_rate: 1, subscribe_rate: 1, burst_seconds: 2, ..Default::default() };
    let app = App::new().app_data(web::Data::new(Auth::new(auth))).app_data(web::Data::new(Limits::new(&limits)));
    let door = |path: &'static str, needs: Needs| {
        let guard =
            move |auth: web::Data<Auth>, limits: web::Data<Limits>, request: ServiceRequest, next: Next<BoxBody>| {
                guard((needs, "GET, POST, DELETE"), (auth, limits), request, next)
            };
        let resource = web::resource(path).route(web::get().to(tell)).route(web::post().to(tell));
        resource.route(web::delete().to(tell)).wrap(from_fn(guard))
    };
    let service = init_service(
        app.service(door("/c/{channel}/ops", &[("POST", Need::Publish)]))
            .service(door("/c/{channel}/s", &[("DELETE", Need::Cancel), ("GET", Need::Manage)]))
            .service(door("/c/{channel}/sse", &[("GET", Need::Subscribe)]))
            .service(door("/sse", &[("GET", Need::Subscribe)]))
            .service(door("/ws", &[("GET", Need::Socket)])),
    )
    .await;
    let mut all = Vec::new();
    for request in requests {
        let request = request.insert_header((header::HOST, "md.example")).peer_addr(([192, 0, 2, 1], 1).into());
        all.push(match try_call_service(&service, request.to_request()).await {
            Ok(answer) => {
                let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
                Answer(status, headers, String::from_utf8(read_body(answer).await.to_vec()).unwrap())
            }
            Err(error) => {
                let told = error.to_string();
                let answer = error.error_response();
                Answer(answer.status().as_u16(), answer.headers().clone(), told)
            }
        });
    }
    all
}

/// One answer, by a service of its own.
async fn answer(request: TestRequest) -> Answer {
    answers(vec![request]).await.remove(0)
}

fn request(line: &str) -> TestRequest {
    let (method, path) = line.split_once(' ').unwrap();
    TestRequest::with_uri(path).method(method.parse::<Method>().unwrap())
}

fn bearer(request: TestRequest, credential: &str) -> TestRequest {
    request.insert_header((header::AUTHORIZATION, format!("Bearer {credential}")))
}

fn cookie(request: TestRequest, credential: &str) -> TestRequest {
    request.insert_header((header::COOKIE, format!("a=b; __Host-rillmark={credential}")))
}

#[actix_web::test]
async fn each_method_asks_what_it_needs() {
    let token = token(Some("u7"));
    for (line, key, by_token, by_nothing) in [
        ("POST /c/chat-1/ops", 200, 403, 401),
        ("POST /c/chat-2/ops", 200, 200, 401),
        ("DELETE /c/chat-1/s", 200, 403, 401),
        ("DELETE /c/chat-2/s", 200, 200, 401),
        ("GET /c/chat-1/s", 200, 403, 401),
        ("GET /c/chat-2/s", 200, 403, 401),
        ("GET /c/chat-1/sse", 200, 200, 401),
        ("GET /c/chat-2/sse", 200, 403, 401),
        ("GET /c/chat%2D1/sse", 200, 200, 401),
        ("GET /c/chat-1%2F/sse", 200, 403, 401),
        ("GET /sse", 200, 200, 401),
        ("GET /ws", 200, 200, 200),
    ] {
        assert_eq!(answer(bearer(request(line), "key")).await.0, key, "{line}");
        assert_eq!(answer(bearer(request(line), &token)).await.0, by_token, "{line}");
        assert_eq!(answer(request(line)).await.0, by_nothing, "{line}");
        assert_eq!(answer(bearer(request(line), "wrong")).await.0, 401, "{line}");
    }
    assert_eq!(answer(request("GET /ws")).await.2, "nothing shown");
    assert_eq!(answer(bearer(request("GET /ws"), "key")).await.2, "backend Header");
}

#[actix_web::test]
async fn cookies_open_only_what_is_read_and_only_for_pages_that_may() {
    let token = token(None);
    let own = "https://md.example";
    for (line, origin, site, expected) in [
        ("GET /sse", None, None, 200),
        ("GET /sse", Some(own), Some("same-origin"), 200),
        ("GET /sse", Some(APP), Some("cross-site"), 200),
        ("GET /sse", None, Some("same-origin"), 200),
        ("GET /sse", None, Some("cross-site"), 403),
        ("GET /sse", None, Some("same-site"), 403),
        ("GET /sse", Some("https://evil.example"), Some("cross-site"), 403),
        ("GET /sse", Some("null"), None, 403),
        ("GET /ws", None, None, 403),
        ("GET /ws", Some(own), None, 200),
        ("GET /ws", Some(APP), None, 200),
        ("GET /ws", Some("https://evil.example"), None, 403),
        ("POST /c/chat-2/ops", Some(own), None, 401),
        ("DELETE /c/chat-2/s", Some(own), None, 401),
    ] {
        let mut request = cookie(request(line), &token);
        if let Some(origin) = origin {
            request = request.insert_header((header::ORIGIN, origin));
        }
        if let Some(site) = site {
            request = request.insert_header(("sec-fetch-site", site));
        }
        assert_eq!(answer(request).await.0, expected, "{line} {origin:?} {site:?}");
    }
    let by_header = bearer(request("GET /ws"), &token);
    assert_eq!(answer(by_header).await.2, "browser Header", "a program sends no Origin");
    let by_query = request(&format!("GET /ws?token={token}"));
    assert_eq!(answer(by_query).await.2, "browser Query");
    let by_query = request(&format!("GET /sse?token={token}")).insert_header(("sec-fetch-site", "cross-site"));
    assert_eq!(answer(by_query).await.0, 200, "a token in the URL was put there on purpose");
}

#[actix_web::test]
async fn every_401_is_the_same() {
    let good = token(None);
    let (head, _) = good.rsplit_once('.').unwrap();
    let mut told = Vec::new();
    for request in [
        request("GET /sse"),
        bearer(request("GET /sse"), "wrong"),
        bearer(request("GET /sse"), &format!("{head}.AAAA")),
        request("GET /sse").insert_header((header::AUTHORIZATION, "Basic a2V5")),
        request("GET /sse?token=key"),
        request(&format!("GET /sse?token={good}&token={good}")),
        cookie(request("GET /sse"), "key"),
        request("GET /c/chat-1/sse"),
    ] {
        let Answer(status, headers, body) = answer(request).await;
        let mut headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        headers.sort();
        told.push((status, headers, body));
    }
    assert_eq!(told[0].0, 401);
    assert!(told[0].1.contains(&"www-authenticate: \"Bearer\"".to_owned()), "{told:?}");
    assert!(told[..7].iter().all(|one| *one == told[0]), "{told:#?}");
    assert_eq!((told[7].0, &told[7].2), (told[0].0, &told[0].2));
}

#[actix_web::test]
async fn refusals_are_the_same_for_every_channel() {
    let token = token(None);
    let mut told = Vec::new();
    for channel in ["chat-9", "there-is-none", "chat-1%00", "%C3%BC", "*"] {
        let Answer(status, _, body) = answer(bearer(request(&format!("GET /c/{channel}/sse")), &token)).await;
        told.push((status, body));
    }
    assert_eq!(told[0].0, 403);
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}

#[actix_web::test]
async fn rates_are_by_key_sub_or_address_and_told() {
    let line = "GET /sse";
    let as_sub = |sub| bearer(request(line), &token(Some(sub)));
    let by_address = || bearer(request(line), &token(None));
    let tries = vec![
        as_sub("u7"),
        as_sub("u7"),
        as_sub("u7"),
        as_sub("u8"),
        bearer(request(line), "key"),
        by_address(),
        bearer(request(line), "wrong"),
        bearer(request(line), "wrong"),
        by_address(),
        as_sub("u8"),
        bearer(request("POST /c/chat-2/ops"), &token(Some("u7"))),
    ];
    let answers = answers(tries).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, [200, 200, 429, 200, 200, 200, 401, 429, 429, 200, 200]);
    assert_eq!(answers[0].header("ratelimit"), Some("\"subscribe\";r=1;t=1"));
    assert_eq!(answers[0].header("ratelimit-policy"), Some("\"subscribe\";q=2;w=2"));
    assert_eq!(answers[2].header("retry-after"), Some("1"));
    assert_eq!(answers[10].header("ratelimit"), Some("\"publish\";r=1;t=1"));
}

#[actix_web::test]
async fn pages_read_answers_and_refusals_alike() {
    let from = |request: TestRequest| request.insert_header((header::ORIGIN, APP));
    let tries = vec![
        from(bearer(request("GET /sse"), "key")),
        from(request("GET /sse")),
        from(bearer(request("POST /c/chat-1/ops"), "key")),
        from(bearer(request("POST /c/chat-1/ops"), &token(None))),
    ];
    let seen: Vec<_> = answers(tries).await;
    for (answer, (status, cookies)) in seen.iter().zip([(200, true), (401, true), (200, false), (403, false)]) {
        assert_eq!(answer.0, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
        assert_eq!(answer.header("access-control-allow-credentials").is_some(), cookies, "{status}");
        assert!(answer.header("access-control-expose-headers").unwrap().contains("retry-after"));
    }
    let evil = bearer(request("GET /sse"), "key").insert_header((header::ORIGIN, "https://evil.example"));
    let refused = answer(evil).await;
    assert_eq!((refused.0, refused.header("access-control-allow-origin")), (403, None));
}

#[actix_web::test]
async fn preflights_need_no_credential_and_tell_the_methods() {
    let asks = |path: &str, origin: &'static str| {
        let request = TestRequest::with_uri(path).method(Method::OPTIONS).insert_header((header::ORIGIN, origin));
        request.insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "DELETE"))
    };
    for (path, cookies) in [("/c/x/s", None), ("/sse", Some("true")), ("/c/x/ops", None)] {
        let answer = answer(asks(path, APP)).await;
        assert_eq!(answer.0, 204);
        assert_eq!(answer.header("access-control-allow-methods"), Some("GET, POST, DELETE"));
        assert_eq!(answer.header("access-control-allow-credentials"), cookies, "{path}");
        let headers = answer.header("access-control-allow-headers").unwrap();
        for name in ["authorization", "idempotency-key", "last-event-id", "prefer"] {
            assert!(headers.contains(name), "{name}");
        }
    }
    assert_eq!(answer(asks("/sse", "https://evil.example")).await.0, 403);
}

#[actix_web::test]
async fn a_token_of_a_message_opens_as_one_of_a_header_does() {
    let options = AuthOptions { token_secrets: vec![SECRET.into()], ..Default::default() };
    let auth = Auth::new(options);
    let limits = Limits::new(&LimitsOptions { subscribe_rate: 1, burst_seconds: 2, ..Default::default() });
    let visitor = Visitor { pass: None, address: None };
    assert!(visitor.pass().is_err() && visitor.address.is_none());
    let pass = visitor.bring(&auth, &limits, &token(Some("u7"))).unwrap();
    assert!(pass.demand(Action::Subscribe, "chat-1").is_ok() && pass.demand(Action::Subscribe, "chat-2").is_err());
    let kinds: Vec<Kind> = (0..3).map(|_| visitor.bring(&auth, &limits, "wrong").unwrap_err().kind()).collect();
    assert_eq!(kinds, [Kind::Unauthorized, Kind::Unauthorized, Kind::RateLimited], "tries are counted");
    assert!(visitor.bring(&auth, &limits, &token(Some("u7"))).is_ok());
}

//! Stands before the routes: who may call, and how much of it.
//!
//! Two middlewares. [`screen`] is for every route and applies the checks of keyless mode. [`admit`] is for `POST /render`
//! and what costs as much: the page's origin, the API key, the rate; it runs before the body is read. The third step, a
//! place among the renders, needs the source's length and is taken by the handler.
//!
//! With API keys, what needs none is: `/`, `/healthz`, `/readyz`, `/metrics`, `/openapi.json`, `/docs` and `/problems/…`.
//! None of them shows or changes anything of a caller's. An operator who wants numbers and docs private sets
//! `RILLMARK_INTERNAL_LISTEN`, and they are served only there.
//!
//! A failed attempt with a key counts against the rate of the address it came from, so nobody tries keys faster than
//! that. Holders of a key have the key's rate, whatever their address did.
//!
//! **Invariant:** a request refused here is refused with its body unread, and every answer of an admitted route tells
//! the caller its rate (`tests/it/access.rs`, `tests/it/limits.rs`).
//!
//! **Source:** RFC 6750 §3 (`WWW-Authenticate`), RFC 6585 §4 (429), RFC 9110 §10.2.3 (`Retry-After`).

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};

use super::problem::Problem;
use super::{cors, facts};
use crate::auth::{Auth, Caller};
use crate::limits::{Limits, Standing};

pub(super) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Key and rate of a request that only backends may make.
fn admit_backend(auth: &Auth, limits: &Limits, request: &HttpRequest) -> Result<Option<Standing>, Problem> {
    let address = facts::client_address(request, auth);
    match auth.backend(facts::authorization(request), address) {
        Ok(caller) => Ok(limits.render_rate.check(caller)?),
        Err(unauthorized) => {
            limits.render_rate.check(address.map_or(Caller::Local, Caller::Address))?;
            Err(unauthorized.into())
        }
    }
}

/// For every route: refuses what keyless mode does not answer.
///
/// # Errors
/// `forbidden`.
pub(super) async fn screen<B: MessageBody + 'static>(
    auth: web::Data<Auth>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    auth.check_keyless(&facts::facts(request.request())).map_err(Problem::from)?;
    next.call(request).await
}

/// For what only backends and allowed pages may do: answers preflights, checks origin, key and rate of `POST`, and tells
/// the caller its rate on every answer. Other methods pass, for the route to refuse.
///
/// # Errors
/// `forbidden`, `unauthorized`, `rate-limited`, with the headers that let an allowed page read them.
pub(super) async fn admit<B: MessageBody + 'static>(
    auth: web::Data<Auth>,
    limits: web::Data<Limits>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let page = auth.page(&facts::facts(request.request())).map_err(Problem::from)?;
    if cors::is_preflight(request.request()) {
        let mut answer = HttpResponse::NoContent().finish();
        cors::append(answer.headers_mut(), cors::preflight_headers(&page, "POST"));
        return Ok(request.into_response(answer).map_into_right_body());
    }
    let mut headers = cors::answer_headers(&page);
    if request.method() == Method::POST {
        match admit_backend(&auth, &limits, request.request()) {
            Ok(standing) => headers.extend(standing.iter().flat_map(rate_headers)),
            Err(problem) => return Err(problem.headers(headers).into()),
        }
    }
    let mut answer = next.call(request).await?;
    cors::append(answer.headers_mut(), headers);
    Ok(answer.map_into_left_body())
}

/// What a caller is told about its rate.
pub(super) fn rate_headers(standing: &Standing) -> [(HeaderName, HeaderValue); 2] {
    let value = |text: String| HeaderValue::try_from(text).expect("quoted ASCII names and numbers");
    [(RATE_LIMIT_POLICY, value(standing.policy.header())), (RATE_LIMIT, value(standing.header()))]
}

#[cfg(test)]
mod tests {
    use actix_web::App;
    use actix_web::http::{StatusCode, header};
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, init_service, try_call_service};

    use super::*;
    use crate::auth::AuthOptions;
    use crate::limits::LimitsOptions;

    const APP: &str = "https://app.example";

    /// Status and headers of the answers to requests in turn, by a service with these keys and two renders at once.
    async fn answers(keys: &[&str], requests: Vec<TestRequest>) -> Vec<(StatusCode, header::HeaderMap)> {
        let auth = AuthOptions {
            api_keys: keys.iter().map(|key| (*key).into()).collect(),
            allowed_origins: vec![APP.parse().unwrap()],
            ..Default::default()
        };
        let limits = LimitsOptions { render_rate: 1, burst_seconds: 2, ..Default::default() };
        let render = web::resource("/render").route(web::post().to(HttpResponse::Ok));
        let app = App::new().app_data(web::Data::new(Auth::new(auth))).app_data(web::Data::new(Limits::new(&limits)));
        let service = init_service(app.service(render.wrap(from_fn(admit)).wrap(from_fn(screen)))).await;
        let mut all = Vec::new();
        for request in requests {
            let request = request.insert_header((header::HOST, "localhost")).peer_addr(([192, 0, 2, 1], 1).into());
            let answer = match try_call_service(&service, request.to_request()).await {
                Ok(answer) => answer.into_parts().1.map_into_boxed_body(),
                Err(error) => error.error_response(),
            };
            all.push((answer.status(), answer.headers().clone()));
        }
        all
    }

    fn render() -> TestRequest {
        TestRequest::post().uri("/render")
    }

    fn text<'a>(headers: &'a header::HeaderMap, name: &str) -> Option<&'a str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[actix_web::test]
    async fn a_caller_is_told_its_rate_until_it_is_used_up() {
        let answers = answers(&[], vec![render(), render(), render()]).await;
        for ((status, headers), (expected, rate)) in
            answers.iter().zip([(200, "\"render\";r=1;t=1"), (200, "\"render\";r=0;t=2"), (429, "\"render\";r=0;t=1")])
        {
            assert_eq!(status.as_u16(), expected);
            assert_eq!(text(headers, "ratelimit"), Some(rate));
            assert_eq!(text(headers, "ratelimit-policy"), Some("\"render\";q=2;w=2"));
            assert_eq!(text(headers, "retry-after"), (expected == 429).then_some("1"));
        }
    }

    #[actix_web::test]
    async fn wrong_keys_count_against_the_address_and_never_against_a_key() {
        let with = |key: &str| render().insert_header((header::AUTHORIZATION, format!("Bearer {key}")));
        let tries = vec![render(), with("guess"), with("guess"), with("good"), with("good"), with("good")];
        let statuses: Vec<u16> = answers(&["good"], tries).await.iter().map(|(status, _)| status.as_u16()).collect();
        assert_eq!(statuses, [401, 401, 429, 200, 200, 429]);
    }

    #[actix_web::test]
    async fn an_unauthorized_answer_says_how_to_do_better_and_nothing_else() {
        let with = |value: &str| render().insert_header((header::AUTHORIZATION, value.to_owned()));
        let first = &answers(&["good"], vec![render()]).await[0].1;
        assert_eq!(text(first, "www-authenticate"), Some("Bearer"));
        let second = &answers(&["good"], vec![with("Bearer goo")]).await[0].1;
        let named = |headers: &header::HeaderMap| -> Vec<String> {
            let mut all: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            all.sort();
            all
        };
        assert_eq!(named(first), named(second));
    }

    #[actix_web::test]
    async fn a_page_reads_its_answer_and_its_refusal_alike() {
        let from = |origin: &str| render().insert_header((header::ORIGIN, origin.to_owned()));
        let answers =
            answers(&[], vec![from(APP), from(APP), from(APP), from("https://evil.example"), from("null")]).await;
        let seen: Vec<_> = answers
            .iter()
            .map(|(status, headers)| (status.as_u16(), text(headers, "access-control-allow-origin")))
            .collect();
        assert_eq!(seen, [(200, Some(APP)), (200, Some(APP)), (429, Some(APP)), (403, None), (403, None)]);
    }

    #[actix_web::test]
    async fn a_preflight_needs_no_key_and_counts_for_nothing() {
        let asks = |origin: &str| {
            let request = TestRequest::with_uri("/render").method(Method::OPTIONS);
            let request = request.insert_header((header::ORIGIN, origin.to_owned()));
            request.insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"))
        };
        let answers = answers(&["good"], vec![asks(APP), asks(APP), asks(APP), asks("https://evil.example")]).await;
        for (status, headers) in &answers[..3] {
            assert_eq!((status.as_u16(), text(headers, "access-control-allow-methods")), (204, Some("POST")));
            assert_eq!(text(headers, "access-control-allow-origin"), Some(APP));
            assert!(text(headers, "access-control-allow-headers").unwrap().contains("authorization"));
        }
        assert_eq!(answers[3].0.as_u16(), 403);
    }
}

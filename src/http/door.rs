//! Stands before the routes of channels: who may publish, subscribe, cancel, manage, from which page, and how often.
//!
//! [`guard`] asks before the body is read: the page's origin, the credential, the channel of the path, one of the rate.
//! What it found goes with the request as a [`Visitor`]. Channels that are named elsewhere (in the query, in a message)
//! are the handler's to demand of the visitor's pass, and so is what else a publish weighs.
//!
//! **Invariant:** a refusal tells nothing of whether a channel exists (`refusals_are_the_same_for_every_channel`), all
//! 401s are one (`every_401_is_the_same`), and a page reads its refusal as it reads its answer
//! (`pages_read_answers_and_refusals_alike`).
//!
//! **Source:** RFC 6750 §3 (`WWW-Authenticate`), RFC 6455 §10.2 (`Origin` of a WebSocket), Fetch §3.2 (CORS).

use std::time::SystemTime;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};

use super::guard::{RATE_LIMIT, rate_headers};
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::{cors, facts};
use crate::auth::{Action, Auth, Caller, ClientAddress, Page, Pass, Shown, ShownIn, Unauthorized};
use crate::limits::{Limits, Rate};

/// What a method of a path asks of who calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// An API key, or a token that allows to publish.
    Publish,
    /// An API key, or a token that allows to cancel.
    Cancel,
    /// An API key: to ask for the state, to end a channel.
    Manage,
    /// An API key, or a token that allows to subscribe, by cookie too.
    Subscribe,
    /// As [`Need::Subscribe`], or nothing yet: a WebSocket may bring its token in its first message.
    Socket,
}

/// What each method of a path asks.
pub(super) type Needs = &'static [(&'static str, Need)];

impl Need {
    fn action(self) -> Action {
        match self {
            Self::Publish => Action::Publish,
            Self::Cancel => Action::Cancel,
            Self::Manage => Action::Manage,
            Self::Subscribe | Self::Socket => Action::Subscribe,
        }
    }

    /// Whether a cookie opens it, which browsers send by themselves: only what is read.
    fn takes_cookie(self) -> bool {
        matches!(self, Self::Subscribe | Self::Socket)
    }

    fn rate(self, limits: &Limits) -> &Rate {
        if self.takes_cookie() { &limits.subscribe_rate } else { &limits.publish_rate }
    }
}

/// Who calls a route of channels.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pass: Option<Pass>,
    address: Option<ClientAddress>,
}

impl Visitor {
    /// What was shown, and what it opens.
    ///
    /// # Errors
    /// `unauthorized` where nothing was shown, which happens on routes of [`Need::Socket`] only.
    pub(super) fn pass(&self) -> Result<&Pass, Problem> {
        self.pass.as_ref().ok_or_else(|| Unauthorized.into())
    }

    /// Where it comes from, if somebody says so who is believed.
    pub(super) fn address(&self) -> Option<ClientAddress> {
        self.address
    }

    /// Who it is as long as nothing was shown.
    pub(super) fn by_address(&self) -> Caller {
        self.address.map_or(Caller::Local, Caller::Address)
    }

    /// What a token opens that came in a message. Wrong ones count against the address.
    ///
    /// # Errors
    /// `unauthorized`, or `rate-limited` where too many were wrong.
    pub(super) fn bring(&self, auth: &Auth, limits: &Limits, token: &str) -> Result<Pass, Problem> {
        auth.pass_of_message(token, self.address, SystemTime::now())
            .map_err(|unauthorized| count_failure(&limits.subscribe_rate, self.address, unauthorized))
    }
}

/// A wrong credential counts against the address it came from, so that nobody tries faster than its rate.
fn count_failure(rate: &Rate, address: Option<ClientAddress>, unauthorized: Unauthorized) -> Problem {
    let by_address = address.map_or(Caller::Local, Caller::Address);
    rate.check(by_address).err().map_or_else(|| unauthorized.into(), Problem::from)
}

/// Who calls, if they may.
fn admit(need: Need, page: &Page, auth: &Auth, limits: &Limits, request: &HttpRequest) -> Result<Visitor, Problem> {
    let address = facts::client_address(request, auth);
    let query = facts::query_token(request);
    let cookie = if need.takes_cookie() { facts::cookie_token(request) } else { facts::Found::default() };
    let shown =
        Shown { authorization: facts::authorization(request), query: query.as_header(), cookie: cookie.as_header() };
    let pass = auth.pass(&shown, address, SystemTime::now());
    let pass = match pass {
        Ok(None) if need == Need::Socket => return Ok(Visitor { pass: None, address }),
        Ok(Some(pass)) => pass,
        Ok(None) | Err(Unauthorized) => return Err(count_failure(need.rate(limits), address, Unauthorized)),
    };
    if pass.shown_in() == ShownIn::Cookie {
        check_cookie(need, page, request)?;
    }
    if let Some(channel) = request.match_info().get("channel") {
        pass.demand(need.action(), channel)?;
    }
    Ok(Visitor { pass: Some(pass), address })
}

/// A browser sends the cookie whoever made it ask. A WebSocket is told from a foreign page's by its `Origin` alone; of
/// what else comes without one, the browser says whether it began on another site.
fn check_cookie(need: Need, page: &Page, request: &HttpRequest) -> Result<(), Problem> {
    if *page != Page::None {
        return Ok(());
    }
    if need == Need::Socket {
        return Err(Problem::new(Kind::Forbidden, "a WebSocket whose token is a cookie needs an `Origin`"));
    }
    if !facts::facts(request).is_same_site() {
        return Err(Problem::new(Kind::Forbidden, "another site began this request (`Sec-Fetch-Site`)"));
    }
    Ok(())
}

/// The check before a path that asks `needs`: answers preflights, refuses who may not, tells the others their rate.
/// Methods that the path does not take pass, for the route to refuse.
///
/// # Errors
/// `forbidden`, `unauthorized`, `rate-limited`, with the headers that let an allowed page read them.
pub(super) async fn guard<B: MessageBody + 'static>(
    (needs, methods): (Needs, &'static str),
    (auth, limits): (web::Data<Auth>, web::Data<Limits>),
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let page = auth.page(&facts::facts(request.request())).map_err(Problem::from)?;
    let with_cookies = needs.iter().any(|(_, need)| need.takes_cookie());
    if cors::is_preflight(request.request()) {
        let mut answer = HttpResponse::NoContent().finish();
        cors::append(answer.headers_mut(), cors::preflight_headers(&page, methods));
        cors::append(answer.headers_mut(), cors::credentials(&page, with_cookies));
        return Ok(request.into_response(answer).map_into_right_body());
    }
    let mut headers = cors::answer_headers(&page);
    headers.extend(cors::credentials(&page, with_cookies));
    let mut told = None;
    if let Some((_, need)) = needs.iter().find(|(method, _)| *method == request.method().as_str()) {
        let admitted = admit(*need, &page, &auth, &limits, request.request()).and_then(|visitor| {
            let caller = visitor.pass.as_ref().map_or_else(|| visitor.by_address(), Pass::caller);
            Ok((visitor, need.rate(&limits).check(caller)?))
        });
        let (visitor, standing) = admitted.map_err(|problem| problem.headers(headers.clone()))?;
        request.extensions_mut().insert(visitor);
        told = standing;
    }
    let mut answer = next.call(request).await?;
    let known = answer.headers().contains_key(RATE_LIMIT);
    let rate = told.iter().filter(|_| !known).flat_map(rate_headers);
    headers.extend(rate.collect::<Vec<(HeaderName, HeaderValue)>>());
    cors::append(answer.headers_mut(), headers);
    Ok(answer.map_into_left_body())
}

#[cfg(test)]
mod tests;

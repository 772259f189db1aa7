//! What somebody shows, and what it opens: an API key, a token, or in keyless mode nothing.
//!
//! Of `Authorization`, the query's `token` and the cookie, the first that is there decides, also where it is wrong: a
//! good cookie does not mend a bad header. A cookie travels by itself, wherever the browser goes; so it opens only what
//! is read, and only for pages that may call.
//!
//! **Invariant:** the first credential present decides (`the_first_credential_present_decides`); one that comes in a URL
//! is about to expire (`a_token_in_a_url_is_about_to_expire`).
//!
//! **Source:** RFC 6750 §2.1 and §2.3 (bearer tokens in a header and in the query), RFC 6265bis §4.1.3.2 (`__Host-`).

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::address::ClientAddress;
use super::keys::{Unauthorized, bearer};
use super::request::Header;
use super::token::{Action, Grant, QUERY_TOKEN_LIFETIME_MAX, TokenError};
use super::{Auth, Caller};

/// The cookie that may hold a token. Its prefix makes browsers take it only over TLS, from the host itself.
pub const TOKEN_COOKIE: &str = "__Host-rillmark";
/// The query parameter that may hold one.
pub const TOKEN_PARAMETER: &str = "token";

/// The `sub` of a token, short enough to be copied: the beginning of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject(u128);

impl Subject {
    /// Of the `sub` as a token says it.
    pub fn of(sub: &str) -> Self {
        let hash = Sha256::digest(sub.as_bytes());
        let start = hash.first_chunk().expect("a SHA-256 has more than 16 bytes");
        Self(u128::from_be_bytes(*start))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The credentials that a request shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown<'a> {
    /// `Authorization`.
    pub authorization: Header<'a>,
    /// `token` of the query, decoded.
    pub query: Header<'a>,
    /// The cookie [`TOKEN_COOKIE`], where cookies count; else absent.
    pub cookie: Header<'a>,
}

/// Where the credential that decided stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownIn {
    /// Nowhere: keyless mode asks for none.
    Nothing,
    /// `Authorization`, or a message.
    Header,
    /// The query.
    Query,
    /// The cookie.
    Cookie,
}

/// Who asks, and what they may do.
#[derive(Clone, Debug)]
pub struct Pass {
    caller: Caller,
    shown_in: ShownIn,
    /// None: a backend, which may do everything.
    grant: Option<Arc<Grant>>,
}

/// A token that does not allow what was asked. The same for every channel, whether it exists or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", match .0 {
    Action::Subscribe => "the token does not allow to subscribe to this channel",
    Action::Publish => "the token does not allow to publish to this channel",
    Action::Cancel => "the token does not allow to cancel on this channel",
    Action::Manage => "this needs an API key: no token allows it",
})]
pub struct NotAllowed(pub Action);

impl Pass {
    /// Whether a backend asks: by an API key, or in keyless mode. It may do everything, with HTML too.
    pub fn is_backend(&self) -> bool {
        self.grant.is_none()
    }

    /// Whose rates it counts against.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Where the credential stood.
    pub fn shown_in(&self) -> ShownIn {
        self.shown_in
    }

    /// When what is opened with it ends; none for a backend.
    pub fn until(&self) -> Option<SystemTime> {
        self.grant.as_ref().map(|grant| grant.until)
    }

    /// Whose connections are counted together, where a token names its holder.
    pub fn subject(&self) -> Option<Subject> {
        self.grant.as_ref()?.subject.as_deref().map(Subject::of)
    }

    /// Demands that this may be done on the channel of this name.
    ///
    /// # Errors
    /// [`NotAllowed`] where it may not.
    pub fn demand(&self, action: Action, channel: &str) -> Result<(), NotAllowed> {
        match &self.grant {
            None => Ok(()),
            Some(grant) if grant.allows(action, channel) => Ok(()),
            Some(_) => Err(NotAllowed(action)),
        }
    }
}

impl Auth {
    /// What the first credential present opens; none where there is none and one is needed.
    ///
    /// # Errors
    /// [`Unauthorized`] where it opens nothing.
    pub fn pass(
        &self,
        shown: &Shown<'_>,
        address: Option<ClientAddress>,
        now: SystemTime,
    ) -> Result<Option<Pass>, Unauthorized> {
        if self.is_keyless() {
            let caller = address.map_or(Caller::Local, Caller::Address);
            return Ok(Some(Pass { caller, shown_in: ShownIn::Nothing, grant: None }));
        }
        let places =
            [(shown.authorization, ShownIn::Header), (shown.query, ShownIn::Query), (shown.cookie, ShownIn::Cookie)];
        let Some((credential, shown_in)) = places.into_iter().find(|(header, _)| *header != Header::Absent) else {
            return Ok(None);
        };
        if shown_in == ShownIn::Header
            && let Ok(key) = self.keys.identify(credential)
        {
            return Ok(Some(Pass { caller: Caller::Key(key), shown_in, grant: None }));
        }
        let text = credential.one().ok_or(Unauthorized)?;
        let token = if shown_in == ShownIn::Header { bearer(text).ok_or(Unauthorized)? } else { text };
        self.token_pass(token, shown_in, address, now).map(Some)
    }

    /// What a token opens that came in a message.
    ///
    /// # Errors
    /// [`Unauthorized`] where it opens nothing.
    pub fn pass_of_message(
        &self,
        token: &str,
        address: Option<ClientAddress>,
        now: SystemTime,
    ) -> Result<Pass, Unauthorized> {
        let authorization = format!("Bearer {token}");
        let shown = Shown { authorization: Header::One(&authorization), ..Default::default() };
        self.pass(&shown, address, now)?.ok_or(Unauthorized)
    }

    fn token_pass(
        &self,
        token: &str,
        shown_in: ShownIn,
        address: Option<ClientAddress>,
        now: SystemTime,
    ) -> Result<Pass, Unauthorized> {
        let read = self.tokens.read(token, now).and_then(|grant| {
            let lives_too_long = shown_in == ShownIn::Query && grant.expires > now + QUERY_TOKEN_LIFETIME_MAX;
            if lives_too_long { Err(TokenError::TooLongLived) } else { Ok(grant) }
        });
        let grant = read.map_err(|fault| {
            // The caller is not told; whoever sets the service up needs to know.
            tracing::debug!(%fault, "token refused");
            Unauthorized
        })?;
        let by_address = address.map_or(Caller::Local, Caller::Address);
        let caller = grant.subject.as_deref().map_or(by_address, |sub| Caller::Subject(Subject::of(sub)));
        Ok(Pass { caller, shown_in, grant: Some(Arc::new(grant)) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::auth::{AuthOptions, NewToken};

    const SECRET: &str = "correct-horse-battery-staple-0123";

    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_763_836_800)
    }

    fn auth() -> Auth {
        Auth::new(AuthOptions { api_keys: vec!["k".into()], token_secrets: vec![SECRET.into()], ..Default::default() })
    }

    fn token(auth: &Auth, subject: Option<&str>, seconds: u64) -> String {
        let new = NewToken {
            subscribe: vec!["chat-*".parse().unwrap()],
            publish: Vec::new(),
            cancel: Vec::new(),
            subject: subject.map(str::to_owned),
            expires: now() + Duration::from_secs(seconds),
            until: None,
        };
        auth.tokens().sign(new).unwrap()
    }

    fn one(text: &str) -> Header<'_> {
        if text.is_empty() { Header::Absent } else { Header::One(text) }
    }

    #[test]
    fn the_first_credential_present_decides() {
        let auth = auth();
        let good = &*token(&auth, Some("u7"), 60);
        let bearer = &*format!("Bearer {good}");
        use ShownIn::{Cookie, Header as InHeader, Query};
        for (authorization, query, cookie, expected) in [
            ("Bearer k", "", "", Ok(Some((InHeader, true)))),
            (bearer, "", "", Ok(Some((InHeader, false)))),
            ("", good, "", Ok(Some((Query, false)))),
            ("", "", good, Ok(Some((Cookie, false)))),
            ("Bearer k", "bad", "bad", Ok(Some((InHeader, true)))),
            ("Bearer bad", good, good, Err(Unauthorized)),
            ("Basic dTpw", good, good, Err(Unauthorized)),
            ("", "bad", good, Err(Unauthorized)),
            ("", "k", "", Err(Unauthorized)),
            ("", "", "k", Err(Unauthorized)),
            ("", "", bearer, Err(Unauthorized)),
            ("", "", "", Ok(None)),
        ] {
            let shown = Shown { authorization: one(authorization), query: one(query), cookie: one(cookie) };
            let found =
                auth.pass(&shown, None, now()).map(|pass| pass.map(|pass| (pass.shown_in(), pass.is_backend())));
            assert_eq!(found, expected, "{shown:?}");
        }
        let doubled = Shown { authorization: Header::Unreadable, query: one(good), ..Default::default() };
        assert_eq!(auth.pass(&doubled, None, now()).unwrap_err(), Unauthorized);
    }

    #[test]
    fn a_token_in_a_url_is_about_to_expire() {
        let auth = auth();
        for (seconds, expected) in [(1, true), (60, true), (61, false), (3_600, false)] {
            let token = token(&auth, None, seconds);
            let in_url = Shown { query: one(&token), ..Default::default() };
            assert_eq!(auth.pass(&in_url, None, now()).is_ok(), expected, "{seconds}");
            let in_cookie = Shown { cookie: one(&token), ..Default::default() };
            assert!(auth.pass(&in_cookie, None, now()).is_ok());
            assert!(auth.pass_of_message(&token, None, now()).is_ok());
        }
    }

    #[test]
    fn a_caller_is_its_key_its_sub_or_its_address() {
        let auth = auth();
        let address = ClientAddress::from(std::net::IpAddr::from([192, 0, 2, 1]));
        let caller = |credential: &str, address| auth.pass_of_message(credential, address, now()).unwrap().caller();
        let named = caller(&token(&auth, Some("u7"), 60), Some(address));
        assert_eq!(named, caller(&token(&auth, Some("u7"), 50), None));
        assert_ne!(named, caller(&token(&auth, Some("u8"), 60), Some(address)));
        assert_eq!(caller(&token(&auth, None, 60), Some(address)), Caller::Address(address));
        assert_eq!(caller(&token(&auth, None, 60), None), Caller::Local);
        assert!(matches!(caller("k", Some(address)), Caller::Key(_)));
    }

    #[test]
    fn a_backend_may_do_everything_and_a_token_what_it_says() {
        let auth = auth();
        let key = auth.pass_of_message("k", None, now()).unwrap();
        let holder = auth.pass_of_message(&token(&auth, None, 60), None, now()).unwrap();
        for action in [Action::Subscribe, Action::Publish, Action::Cancel, Action::Manage] {
            assert_eq!(key.demand(action, "chat-1"), Ok(()));
            let expected = if action == Action::Subscribe { Ok(()) } else { Err(NotAllowed(action)) };
            assert_eq!(holder.demand(action, "chat-1"), expected);
        }
        assert_eq!(holder.demand(Action::Subscribe, "other"), Err(NotAllowed(Action::Subscribe)));
        assert_eq!((key.until(), holder.until()), (None, Some(now() + Duration::from_secs(60))));
    }

    #[test]
    fn keyless_mode_asks_for_nothing() {
        let pass = Auth::new(AuthOptions::default()).pass(&Shown::default(), None, now()).unwrap().unwrap();
        assert!(pass.is_backend() && pass.caller() == Caller::Local && pass.shown_in() == ShownIn::Nothing);
        let secret_only = Auth::new(AuthOptions { token_secrets: vec![SECRET.into()], ..Default::default() });
        assert!(secret_only.pass(&Shown::default(), None, now()).unwrap().is_none(), "a secret ends keyless mode");
        assert!(secret_only.backend(Header::Absent, None).is_err());
    }
}

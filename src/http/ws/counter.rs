//! The desk of a real connection: the hub, behind what the client's token allows and what its rates leave.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::door::Visitor;
use super::super::problem::Problem;
use super::super::problem_kinds::Kind;
use super::super::request_id::RequestId;
use super::super::subscribe::{self, Subscribing};
use super::desk::{Desk, Work};
use crate::auth::{Action, Pass, Unauthorized};
use crate::channel::{From, Publisher, Right, Subscription, Watching, fingerprint};
use crate::limits::OpenPlace;
use crate::protocol::{Batch, ChannelName, Position, StreamName, Wire};
use crate::telemetry::Carrier;

/// Where one client is served.
pub(super) struct Counter {
    service: Arc<Subscribing>,
    visitor: Visitor,
    pass: Option<Pass>,
    until: Option<Instant>,
    /// Of the token's holder, who may change,
    place: OpenPlace,
    /// and of the address, which does not.
    _of_address: OpenPlace,
    request: RequestId,
    wire: Wire,
}

impl Counter {
    /// A client that came with `visitor`'s pass, or has none yet.
    pub(super) fn new(
        service: Arc<Subscribing>,
        visitor: Visitor,
        request: RequestId,
        wire: Wire,
    ) -> Result<Self, Problem> {
        let pass = visitor.pass().ok().cloned();
        let of_address = service.limits.open_place(None, visitor.address())?;
        let place = service.limits.open_place(pass.as_ref().and_then(Pass::subject), None)?;
        let until = pass.as_ref().and_then(subscribe::until);
        Ok(Self { service, visitor, pass, until, place, _of_address: of_address, request, wire })
    }

    /// The client's pass, if it allows this.
    fn pass_for(&self, action: Action, channel: &ChannelName) -> Result<&Pass, Problem> {
        let pass = self.pass.as_ref().ok_or(Unauthorized)?;
        pass.demand(action, channel.as_str())?;
        Ok(pass)
    }
}

impl Desk for Counter {
    type Source = Subscription;

    fn is_known(&self) -> bool {
        self.pass.is_some()
    }

    fn until(&self) -> Option<Instant> {
        self.until
    }

    fn charge(&self) -> Result<(), Problem> {
        let caller = self.pass.as_ref().map_or_else(|| self.visitor.by_address(), Pass::caller);
        self.service.limits.subscribe_rate.check(caller)?;
        Ok(())
    }

    fn present(&mut self, token: &str) -> Result<(), Problem> {
        let service = &self.service;
        let pass = self.visitor.bring(&service.auth, &service.limits, token)?;
        service.limits.subscribe_rate.check(pass.caller())?;
        if self.pass.as_ref().and_then(Pass::subject) != pass.subject() {
            self.place = service.limits.open_place(pass.subject(), None)?;
        }
        self.until = subscribe::until(&pass);
        self.pass = Some(pass);
        Ok(())
    }

    fn may_watch(&self, channel: &ChannelName) -> bool {
        self.pass_for(Action::Subscribe, channel).is_ok()
    }

    fn wire(&self) -> Wire {
        self.wire
    }

    fn watch(&mut self, channel: &ChannelName, from: From) -> Result<Subscription, Problem> {
        let pass = self.pass_for(Action::Subscribe, channel)?;
        self.service.limits.subscribe_rate.check(pass.caller())?;
        // Who may publish there wants to know when it is to stop.
        let cancels = pass.demand(Action::Publish, channel.as_str()).is_ok();
        let watching = Watching { transport: Carrier::WebSocket, cancels, wire: self.wire };
        self.service.watch(channel, from, watching)
    }

    fn publish(&mut self, channel: ChannelName, batch: Batch, bytes: usize) -> Result<Work, Problem> {
        let pass = self.pass_for(Action::Publish, &channel)?;
        let ops = u32::try_from(batch.ops.len()).unwrap_or(u32::MAX);
        self.service.limits.publish(pass.caller(), ops, bytes)?;
        let right = if pass.is_backend() { Right::Backend } else { Right::Browser };
        let (hub, caller) = (self.service.hub.clone(), pass.caller());
        Ok(on_its_own(async move {
            // A retry has another `ref`: what counts is what would be appended.
            let said = batch.key.is_some().then(|| format!("{} {:?}", batch.stream, batch.ops));
            let fingerprint = said.map_or(0, |said| fingerprint(said.as_bytes()));
            let publisher = Publisher { right, caller, fingerprint };
            Ok(hub.publish(&channel, batch, publisher).await?)
        }))
    }

    fn cancel(&mut self, channel: ChannelName, stream: StreamName) -> Result<Work, Problem> {
        let pass = self.pass_for(Action::Cancel, &channel)?;
        self.service.limits.publish(pass.caller(), 1, 0)?;
        let hub = self.service.hub.clone();
        Ok(on_its_own(async move {
            let cancelled = hub.cancel(&channel, &stream).await?;
            cancelled.id.ok_or_else(|| Problem::new(Kind::NotFound, "nothing was published to this channel"))
        }))
    }

    fn stopping(&self) -> Pin<Box<dyn Future<Output = u64> + Send>> {
        let (readiness, spread) = (self.service.readiness.clone(), self.service.options.come_back_spread);
        let at = ahash::RandomState::new().hash_one(self.request.as_str());
        Box::pin(async move {
            readiness.ending().await;
            within(spread, at)
        })
    }

    fn refused(&self, problem: &Problem) -> String {
        self.service.metrics.refused(problem.kind().row().slug);
        if let Some(cause) = problem.cause() {
            tracing::error!(request_id = self.request.as_str(), cause, "a message failed");
        }
        problem.json(self.request.as_str())
    }
}

/// Work that goes on whether this connection is looked at or not: a publish that rests while its client reads nothing
/// would keep all others from the channel.
fn on_its_own(work: impl Future<Output = Result<Position, Problem>> + Send + 'static) -> Work {
    let work = tokio::spawn(work);
    Box::pin(async { work.await.unwrap_or_else(|error| Err(Problem::internal(error))) })
}

/// A number of milliseconds between half a second and `spread`, chosen by `chance`.
fn within(spread: Duration, chance: u64) -> u64 {
    const LEAST: u64 = 500;
    let spread = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    LEAST + chance % spread.saturating_sub(LEAST).max(1)
}

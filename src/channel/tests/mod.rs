//! The hub under a clock that tests move.

mod ends;
mod flow;
mod lives;
mod resume;
mod threads;

use std::time::Duration;

use serde_json::{Value, json};

use super::hub::random_epoch;
use super::*;
use crate::auth::Caller;
use crate::oplog::LogOptions;
use crate::protocol::{Batch, ChannelName, EncodedTick, Position, Sizes, StreamName, Wire};
use crate::telemetry::{Carrier, Metrics};

/// A hub and its metrics.
struct Stage {
    hub: Hub,
    metrics: Metrics,
}

impl Stage {
    fn new(options: HubOptions) -> Self {
        Self::with_logs(options, &LogOptions::default())
    }

    fn with_logs(options: HubOptions, logs: &LogOptions) -> Self {
        let metrics = Metrics::new();
        Self { hub: Hub::new(options, logs, metrics.streams().clone()), metrics }
    }

    async fn publish(&self, name: &str, stream: &str, ops: Value) -> Result<Position, PublishError> {
        self.publish_with(name, json!({"stream": stream, "ops": ops})).await
    }

    async fn publish_with(&self, name: &str, batch: Value) -> Result<Position, PublishError> {
        let body = batch.to_string();
        let batch = Batch::parse(body.as_bytes(), &Sizes::default()).unwrap();
        let fingerprint = fingerprint(body.as_bytes());
        self.hub
            .publish(&channel(name), batch, Publisher { right: Right::Backend, caller: Caller::Local, fingerprint })
            .await
    }

    /// Publishes text that is added to the stream's.
    async fn say(&self, name: &str, text: &str) -> Position {
        self.publish(name, "s", json!([{"op": "text", "text": text, "mode": "append"}])).await.unwrap()
    }

    fn watch(&self, name: &str, from: From) -> Reader {
        let watching = Watching { transport: Carrier::Sse, cancels: true, wire: Wire::Djust };
        Reader::new(self.hub.subscribe(&channel(name), from, watching).unwrap())
    }

    /// The sum of a metric's samples whose line begins so.
    fn metric(&self, line: &str) -> f64 {
        let text = self.metrics.text();
        let samples = text.lines().filter(|found| found.starts_with(line));
        samples.map(|found| found.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).unwrap()
}

fn at(position: Position) -> From {
    From::At(position.to_string())
}

/// A page with one element for the text of each stream, that knows the wire only. It panics at what no page should see.
struct Reader {
    subscription: Subscription,
    page: Page,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Page {
    text: std::collections::BTreeMap<String, String>,
    /// What was shown as an error.
    errors: Vec<String>,
    id: Option<String>,
    ticks: usize,
    resets: usize,
    told: Vec<String>,
}

impl Reader {
    fn new(subscription: Subscription) -> Self {
        Self { subscription, page: Page::default() }
    }

    /// Takes one delivery, if there is one by then.
    async fn take(&mut self) -> Option<Delivery> {
        let delivery = self.subscription.next().await?;
        self.page.apply(&delivery);
        let id = self.subscription.position().map(|id| id.to_string());
        match delivery {
            // Of a snapshot with frames, the id comes with them.
            Delivery::Subscribed { .. } => self.page.id = id,
            _ => assert_eq!(id, self.page.id, "{delivery:?}"),
        }
        Some(delivery)
    }

    /// Takes what comes until nothing has come for a second of the test's clock.
    async fn settle(&mut self) -> &Page {
        while let Ok(Some(_)) = tokio::time::timeout(Duration::from_secs(1), self.take()).await {}
        &self.page
    }

    /// The text of the stream `s`.
    async fn text(&mut self) -> &str {
        self.settle().await;
        self.page.text.get("s").map_or("", String::as_str)
    }
}

impl Page {
    fn apply(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Subscribed { by, .. } => {
                assert!(self.told.is_empty(), "told once, and first");
                self.told.push(format!("{by:?}"));
            }
            Delivery::Tick(tick) => self.tick(tick),
            Delivery::Reset { id, reason, .. } => {
                *self = Self {
                    id: Some(id.to_string()),
                    resets: self.resets + 1,
                    told: self.told.clone(),
                    ..Self::default()
                };
                self.told.push(format!("Reset {}", reason.as_str()));
            }
            Delivery::Cancelled(stream) => self.told.push(format!("Cancelled {stream}")),
            Delivery::Ended => self.told.push("Ended".to_owned()),
            Delivery::Bye { .. } => self.told.push("Bye".to_owned()),
        }
    }

    fn tick(&mut self, tick: &EncodedTick) {
        self.ticks += 1;
        let frames: Vec<Value> = tick.plain().json().map(|json| serde_json::from_slice(&json).unwrap()).collect();
        for (place, frame) in frames.iter().enumerate() {
            assert_eq!(frame.get("id").is_some(), place + 1 == frames.len(), "only the last frame commits");
            if frame.get("reset").is_some() {
                self.text.clear();
                self.resets += 1;
            } else if let Some(from) = tick.from() {
                assert_eq!(self.id, Some(from.to_string()), "a tick continues from the page's id");
            }
            let name = frame["stream"].as_str().unwrap().to_owned();
            for op in frame["ops"].as_array().unwrap() {
                self.op(&name, op);
            }
        }
        self.id = Some(tick.to().to_string());
    }

    fn op(&mut self, stream: &str, op: &Value) {
        let text = self.text.entry(stream.to_owned()).or_default();
        let html = op["html"].as_str().unwrap_or_default();
        match op["op"].as_str().unwrap() {
            "text" => {
                assert_eq!(op["mode"], "append");
                text.push_str(op["text"].as_str().unwrap());
            }
            "append" => text.push_str(html),
            "replace" => html.clone_into(text),
            "error" => self.errors.push(format!("{stream}: {}", op["error"].as_str().unwrap())),
            "done" if op["cancelled"] == true => self.errors.push(format!("{stream}: cancelled")),
            _ => {}
        }
    }
}

//! The invariants of channels: whatever a page missed, however entries were cut into ticks, from wherever it comes back,
//! it ends as the page that took every op alone.
//!
//! | file | holds |
//! |---|---|
//! | `history` | random lives of a channel |
//! | `reference` | the page that took every op alone |
//! | `server` | log, view, kept ticks and subscribers that come and go |
//! | `faults` | what goes wrong in tests of the tests |
//!
//! With `RILLMARK_TEST_LONG` set, ten times as many cases, longer ones, and other ones every time.

mod faults;
mod history;
mod reference;
mod server;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::corpus;
use faults::Fault;
use history::{Draw, Publisher};
use serde_json::json;
use server::Server;

/// One moment of a case: what is published, whether a tick follows, who comes or goes and where the connection breaks.
type Moment = (Draw, u8, u8);

/// A case: how much the log and the ring of kept ticks hold, and what happens.
type Case = (u8, u8, Vec<Moment>);

const SUBSCRIBERS: usize = 3;

fn cases() -> impl Strategy<Value = Case> {
    let moments = if corpus::long() { 60 } else { 22 };
    let moments = proptest::collection::vec((any::<Draw>(), any::<u8>(), any::<u8>()), 1..moments);
    (any::<u8>(), any::<u8>(), moments)
}

/// Plays a case; panics where a page is not what it should be.
fn play((entries, ring, moments): &Case, fault: Option<Fault>) -> Server {
    let entries_max = [2, 8, 1_000][usize::from(*entries) % 3];
    let mut server = Server::new(entries_max, usize::from(*ring) % 4, SUBSCRIBERS, fault);
    let mut publisher = Publisher::new(*entries / 3);
    // Two of three cases lose no log.
    let lost_at = (*ring >= 170).then_some(usize::from(*entries) % 22);
    for (i, (draw, tick, subscriber)) in moments.iter().enumerate() {
        if lost_at == Some(i) {
            server.lose_log();
            publisher = Publisher::new(*entries / 3);
        }
        server.publish(publisher.entry(*draw));
        if tick.is_multiple_of(3) {
            server.tick();
        }
        if subscriber.is_multiple_of(2) {
            let most = if *subscriber >= 128 { usize::from(*tick) / 64 } else { usize::MAX };
            server.toggle(usize::from(*subscriber) / 2 % SUBSCRIBERS, most);
        }
    }
    server.end();
    server
}

/// What happens in a case, for people.
fn story((entries, _, moments): &Case) -> String {
    let mut publisher = Publisher::new(*entries / 3);
    let told = moments.iter().map(|(draw, tick, subscriber)| {
        let entry = publisher.entry(*draw);
        let tick = if tick.is_multiple_of(3) { ", tick" } else { "" };
        let comes = if subscriber.is_multiple_of(2) { ", someone comes or goes" } else { "" };
        format!("{}: {:?}{tick}{comes}\n", entry.stream, entry.ops)
    });
    told.collect()
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// Runs cases until one fails; the smallest that does.
fn search(count: u32, fault: Option<Fault>, mut each: impl FnMut(&Server)) -> Result<(), TestError<Case>> {
    // A planted fault need not be told by its smallest case.
    let max_shrink_iters = if fault.is_none() { 4_000 } else { 0 };
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters, ..Config::default() };
    // The same cases every time; where there is time, others.
    let mut runner = if corpus::long() {
        TestRunner::new(config)
    } else {
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
    };
    let each = RefCell::new(&mut each);
    runner.run(&cases(), |case| match catch_unwind(AssertUnwindSafe(|| play(&case, fault))) {
        Ok(server) => {
            (each.borrow_mut())(&server);
            Ok(())
        }
        Err(panic) => Err(TestCaseError::fail(message(&*panic))),
    })
}

#[test]
fn every_way_to_an_id_makes_the_same_page() {
    let count = if corpus::long() { 100_000 } else { 10_000 };
    let mut ways = BTreeMap::<&str, usize>::new();
    let found = search(count, None, |server| {
        for (way, times) in &server.ways {
            *ways.entry(way).or_default() += times;
        }
    });
    match found {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}\n{case:?}\n{}", story(&case)),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    for way in ["live", "kept", "folded", "fresh", "now", "reset", "from every id"] {
        assert!(ways.get(way).is_some_and(|times| *times > 100), "too few came by {way}: {ways:?}");
    }
}

/// Writes histories into a file, for `tests/browser/chromium/histories.test.mjs`.
#[test]
fn histories_for_the_browser_client_are_written() {
    let mut histories = Vec::new();
    search(1_000, None, |server| histories.push(server.history())).unwrap();
    assert!(histories.len() >= 1_000);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("histories.json");
    let all = json!({ "page": history::BODY, "histories": histories });
    std::fs::write(path, serde_json::to_vec(&all).unwrap()).unwrap();
}

#[test]
fn planted_faults_are_found() {
    for fault in [Fault::Drop, Fault::Repeat, Fault::Reorder, Fault::EarlyId, Fault::Concatenate] {
        let found = search(1_000, Some(fault), |_| ());
        assert!(matches!(found, Err(TestError::Fail(..))), "{fault:?} was not seen");
    }
}

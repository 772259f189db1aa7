//! The suite that every backend of the log passes: what a caller may rely on, whoever keeps the entries.
//!
//! A backend's tests call [`holds`] with a way to make an empty store of given sizes.

use std::sync::Arc;

use super::{AppendError, Expect, Fold, Keep, LogOptions, Logged, OpLog, ReadError};
use crate::protocol::{ChannelName, DomOp, Entry, Epoch, Mode, Op, Place, Position, StreamName};

const EPOCH: Epoch = Epoch::new(0x1f);

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

/// The n-th entry of every log here: published at millisecond n, of one of two streams, now and then a `replace`.
fn entry(n: u64) -> Arc<Entry> {
    let text = DomOp::Text { target: None, text: format!("{n},"), mode: Some(Mode::Append) };
    let html = DomOp::Html { place: Place::Replace, target: None, html: format!("<p>{n}</p>") };
    let start = DomOp::Start { target: None, clear: false };
    let ops = match n % 11 {
        0 => vec![Op::Dom(html)],
        1 => vec![Op::Dom(start), Op::Dom(text)],
        _ => vec![Op::Dom(text)],
    };
    let stream = StreamName::parse(if n.is_multiple_of(2) { "even" } else { "odd" }).unwrap();
    Arc::new(Entry { stream, ops, at: n })
}

/// The fold of the first `n` entries, made without a log.
fn folded(n: u64, keep: Keep) -> Fold<String> {
    let mut fold = Fold::new(keep);
    for offset in 1..=n {
        fold.apply(&(), offset, &entry(offset));
    }
    fold
}

fn roomy() -> LogOptions {
    LogOptions { channel_bytes_max: 1 << 20, channel_entries_max: 1_000, ..LogOptions::default() }
}

/// Appends entries up to the n-th.
async fn fill(log: &impl OpLog, name: &ChannelName, n: u64) -> Position {
    let mut head = log.head(name).await.unwrap();
    for next in head.map_or(1, |head| head.offset + 1)..=n {
        let expect = head.map_or(Expect::Nothing(EPOCH), Expect::Head);
        head = Some(log.append(name, expect, entry(next)).await.unwrap());
    }
    head.unwrap()
}

fn offsets(logged: &[Logged]) -> Vec<u64> {
    logged.iter().map(|logged| logged.offset).collect()
}

#[track_caller]
fn same_entries(logged: &[Logged]) {
    for Logged { offset, entry: found } in logged {
        assert_eq!(*found, entry(*offset));
    }
}

/// Runs the whole suite. `make` gives a store without logs, of these sizes.
pub(crate) async fn holds<L: OpLog, F: Future<Output = L>>(make: impl Fn(LogOptions, Keep) -> F) {
    let new = || make(roomy(), Keep::default());
    offsets_are_dense_from_one(new().await).await;
    an_append_that_expects_another_head_changes_nothing(new().await).await;
    of_appends_at_once_one_wins(new().await).await;
    what_was_appended_is_read(new().await).await;
    a_position_that_is_not_of_this_log_is_told_apart(new().await).await;
    channels_do_not_see_each_other(new().await).await;
    a_forgotten_log_is_gone_and_begins_anew(new().await).await;
    the_fold_at_a_position_is_the_fold_of_the_entries(new().await).await;
    old_entries_are_trimmed_by_age(new().await).await;
    for (bytes, entries) in [(1 << 20, 16), (4_000, 1_000), (1, 1_000), (1 << 20, 0)] {
        let options = LogOptions { channel_bytes_max: bytes, channel_entries_max: entries, ..roomy() };
        let keep = Keep { stream_bytes_max: 1_000, channel_bytes_max: 1_500, events_max: 2 };
        let log = make(options, keep).await;
        a_full_log_is_trimmed_behind_its_checkpoint(log, keep, entries).await;
    }
}

async fn offsets_are_dense_from_one(log: impl OpLog) {
    let name = channel("a");
    assert_eq!(log.head(&name).await, Ok(None));
    for n in 1..=5 {
        assert_eq!(fill(&log, &name, n).await, EPOCH.at(n));
        assert_eq!(log.head(&name).await, Ok(Some(EPOCH.at(n))));
    }
}

async fn an_append_that_expects_another_head_changes_nothing(log: impl OpLog) {
    let name = channel("a");
    let refused = async |expect| match log.append(&name, expect, entry(9)).await {
        Err(AppendError::Moved { head }) => head,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Expect::Head(EPOCH.at(0))).await, None, "there is no log yet");
    let head = fill(&log, &name, 3).await;
    for expect in [
        Expect::Nothing(EPOCH),
        Expect::Nothing(Epoch::new(2)),
        Expect::Head(EPOCH.at(2)),
        Expect::Head(EPOCH.at(4)),
        Expect::Head(Epoch::new(2).at(3)),
    ] {
        assert_eq!(refused(expect).await, Some(head), "{expect:?}");
    }
    same_entries(&log.read(&name, EPOCH.at(0), 9).await.unwrap());
    assert_eq!(log.head(&name).await, Ok(Some(head)));
}

async fn of_appends_at_once_one_wins(log: impl OpLog) {
    let name = channel("a");
    for n in 1..=30 {
        let expect = if n == 1 { Expect::Nothing(EPOCH) } else { Expect::Head(EPOCH.at(n - 1)) };
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let (log, name) = (log.clone(), name.clone());
                tokio::spawn(async move { log.append(&name, expect, entry(n)).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(position) => {
                    assert_eq!(position, EPOCH.at(n));
                    won += 1;
                }
                // A backend may begin a log before it appends to it: its head is then before the first entry.
                Err(AppendError::Moved { head }) => assert!(head.is_some_and(|head| head.offset + 1 >= n)),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(won, 1);
    }
    same_entries(&log.read(&name, EPOCH.at(0), 99).await.unwrap());
}

async fn what_was_appended_is_read(log: impl OpLog) {
    let name = channel("a");
    fill(&log, &name, 7).await;
    for after in 0..=7 {
        for limit in [0, 1, 3, 99] {
            let read = log.read(&name, EPOCH.at(after), limit).await.unwrap();
            let expected: Vec<_> = (after + 1..=7).take(limit).collect();
            assert_eq!(offsets(&read), expected, "after {after}, at most {limit}");
            same_entries(&read);
        }
    }
}

async fn a_position_that_is_not_of_this_log_is_told_apart(log: impl OpLog) {
    let name = channel("a");
    assert_eq!(log.read(&name, EPOCH.at(0), 1).await.unwrap_err(), ReadError::Missing);
    assert_eq!(log.fold_at(&name, Some(EPOCH.at(0))).await.unwrap_err(), ReadError::Missing);
    assert_eq!(log.fold_at(&name, None).await.unwrap_err(), ReadError::Missing);
    let head = fill(&log, &name, 3).await;
    let other = Epoch::new(2);
    for (at, error) in [
        (EPOCH.at(4), ReadError::Beyond { head }),
        (EPOCH.at(u64::MAX), ReadError::Beyond { head }),
        (other.at(0), ReadError::OtherEpoch { head }),
        (other.at(9), ReadError::OtherEpoch { head }),
    ] {
        assert_eq!(log.read(&name, at, 1).await.unwrap_err(), error);
        assert_eq!(log.fold_at(&name, Some(at)).await.unwrap_err(), error);
    }
}

async fn channels_do_not_see_each_other(log: impl OpLog) {
    let (a, b) = (channel("a"), channel("b"));
    fill(&log, &a, 3).await;
    assert_eq!(log.head(&b).await, Ok(None));
    log.append(&b, Expect::Nothing(Epoch::new(2)), entry(1)).await.unwrap();
    assert_eq!(log.head(&a).await, Ok(Some(EPOCH.at(3))));
    assert_eq!(log.head(&b).await, Ok(Some(Epoch::new(2).at(1))));
    assert_eq!(log.forget(&a).await, Ok(true));
    assert_eq!(offsets(&log.read(&b, Epoch::new(2).at(0), 9).await.unwrap()), [1]);
}

async fn a_forgotten_log_is_gone_and_begins_anew(log: impl OpLog) {
    let name = channel("a");
    assert_eq!(log.forget(&name).await, Ok(false));
    let (empty, head) = (log.bytes(), fill(&log, &name, 4).await);
    assert!(log.bytes() > empty);
    assert_eq!(log.forget(&name).await, Ok(true));
    assert_eq!((log.head(&name).await, log.bytes()), (Ok(None), empty));
    let late = log.append(&name, Expect::Head(head), entry(5)).await;
    assert_eq!(late, Err(AppendError::Moved { head: None }));
    let anew = Epoch::new(2);
    assert_eq!(log.append(&name, Expect::Nothing(anew), entry(1)).await, Ok(anew.at(1)));
    assert_eq!(log.read(&name, head, 1).await.unwrap_err(), ReadError::OtherEpoch { head: anew.at(1) });
}

async fn the_fold_at_a_position_is_the_fold_of_the_entries(log: impl OpLog) {
    let name = channel("a");
    let head = fill(&log, &name, 60).await;
    for at in 0..=60 {
        let found = log.fold_at(&name, Some(EPOCH.at(at))).await.unwrap();
        assert_eq!(found.fold, folded(at, Keep::default()));
        assert_eq!(offsets(&found.later), (at + 1..=60).collect::<Vec<_>>());
        assert_eq!(found.head, head);
        same_entries(&found.later);
    }
    assert_eq!(log.fold_at(&name, None).await.unwrap().fold.offset(), 0);
}

async fn old_entries_are_trimmed_by_age(log: impl OpLog) {
    let name = channel("a");
    log.trim(&name, 1_000).await.unwrap();
    assert_eq!(log.head(&name).await, Ok(None), "a log is not made by trimming it");
    let head = fill(&log, &name, 20).await;
    log.trim(&name, 1).await.unwrap();
    assert_eq!(log.read(&name, EPOCH.at(0), 99).await.unwrap().len(), 20);
    log.trim(&name, 8).await.unwrap();
    let oldest = EPOCH.at(7);
    assert_eq!(log.read(&name, EPOCH.at(6), 99).await.unwrap_err(), ReadError::Trimmed { oldest });
    assert_eq!(offsets(&log.read(&name, oldest, 99).await.unwrap()), (8..=20).collect::<Vec<_>>());
    log.trim(&name, u64::MAX).await.unwrap();
    assert_eq!(log.head(&name).await, Ok(Some(head)), "the head stays where it is");
    let found = log.fold_at(&name, Some(head)).await.unwrap();
    assert_eq!((found.fold, found.later), (folded(20, Keep::default()), Vec::new()));
    assert_eq!(fill(&log, &name, 21).await, EPOCH.at(21));
}

/// The log was made with `entries` as its most, or with few bytes.
async fn a_full_log_is_trimmed_behind_its_checkpoint(log: impl OpLog, keep: Keep, entries: usize) {
    let name = channel("a");
    let mut most = 0;
    for n in 1..=300 {
        let head = fill(&log, &name, n).await;
        let found = log.fold_at(&name, None).await.unwrap();
        let oldest = found.fold.offset();
        assert_eq!(found.fold, folded(oldest, keep), "a checkpoint is the fold of what is trimmed");
        assert_eq!(offsets(&found.later), (oldest + 1..=n).collect::<Vec<_>>());
        assert!(found.later.len() <= entries);
        most = most.max(log.bytes());
        let before = log.read(&name, EPOCH.at(0), 1).await;
        match oldest {
            0 => assert!(before.is_ok()),
            _ => assert_eq!(before.unwrap_err(), ReadError::Trimmed { oldest: EPOCH.at(oldest) }),
        }
        assert_eq!(log.fold_at(&name, Some(head)).await.unwrap().fold, folded(n, keep));
    }
    assert!(log.fold_at(&name, None).await.unwrap().fold.offset() > 200, "it was trimmed");
    assert!(log.bytes() <= most && most < 1 << 20, "{} of at most {most} bytes", log.bytes());
}

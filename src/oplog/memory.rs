//! The log in this process: gone with it.
//!
//! Each channel's log is a queue of shared entries behind a checkpoint. Trimming folds the oldest entries into the
//! checkpoint, so each entry is folded once in its life; a reader takes the checkpoint and the entries as they are and
//! folds outside the lock.
//!
//! **Invariant:** the bytes counted are those of the logs that there are (`bytes_are_those_of_what_is_held`).
//!
//! **Invariant:** n appends beyond the sizes cost O(n) (`each_entry_is_folded_once`).

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ahash::RandomState;
use parking_lot::{Mutex, RwLock};

use super::fold::{Fold, Keep};
use super::log::{AppendError, Expect, Folded, Logged, OpLog, ReadError, Unavailable};
use super::options::LogOptions;
use crate::protocol::{ChannelName, Entry, Epoch, Position};

/// Logs in memory. Clones are handles of the same logs.
#[derive(Clone)]
pub struct MemoryLog(Arc<Inner>);

struct Inner {
    logs: RwLock<HashMap<ChannelName, Arc<Mutex<Log>>, RandomState>>,
    bytes: AtomicU64,
    bytes_max: usize,
    entries_max: usize,
    keep: Keep,
}

/// One channel's log.
struct Log {
    epoch: Epoch,
    checkpoint: Arc<Fold<String>>,
    /// The entries after the checkpoint.
    entries: VecDeque<Arc<Entry>>,
    entry_bytes: usize,
    /// What `Inner::bytes` counts of this log.
    counted: u64,
    /// Whether the log was given up while someone waited for its lock.
    gone: bool,
}

impl MemoryLog {
    /// No logs yet. `keep` is how much of the streams a checkpoint keeps.
    #[must_use]
    pub fn new(options: &LogOptions, keep: Keep) -> Self {
        Self(Arc::new(Inner {
            logs: RwLock::default(),
            bytes: AtomicU64::new(0),
            bytes_max: options.channel_bytes_max,
            entries_max: options.channel_entries_max,
            keep,
        }))
    }

    /// How many channels have a log.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.0.logs.read().len()
    }

    fn log(&self, channel: &ChannelName) -> Option<Arc<Mutex<Log>>> {
        self.0.logs.read().get(channel).cloned()
    }

    /// Runs `f` on the channel's log under its lock.
    fn with<T>(&self, channel: &ChannelName, f: impl FnOnce(&mut Log) -> T) -> Option<T> {
        let log = self.log(channel)?;
        let mut log = log.lock();
        if log.gone {
            return None;
        }
        let value = f(&mut log);
        let bytes = log.bytes();
        // Modulo 2^64: what is taken off was put on before.
        self.0.bytes.fetch_add(bytes.wrapping_sub(log.counted), Ordering::Relaxed);
        log.counted = bytes;
        Some(value)
    }

    /// Makes sure that a log of the channel is there; one that is made begins with `epoch`. Says whether it was made.
    fn begin(&self, channel: &ChannelName, epoch: Epoch) -> bool {
        let mut logs = self.0.logs.write();
        let vacant = !logs.contains_key(channel);
        if vacant {
            let log = Log {
                epoch,
                checkpoint: Arc::new(Fold::new(self.0.keep)),
                entries: VecDeque::new(),
                entry_bytes: 0,
                counted: 0,
                gone: false,
            };
            logs.insert(channel.clone(), Arc::new(Mutex::new(log)));
        }
        vacant
    }

    fn append_now(&self, channel: &ChannelName, expect: Expect, entry: Arc<Entry>) -> Result<Position, AppendError> {
        let expected = match expect {
            Expect::Nothing(epoch) if self.begin(channel, epoch) => epoch.at(0),
            Expect::Nothing(_) => return Err(AppendError::Moved { head: self.with(channel, |log| log.head()) }),
            Expect::Head(head) => head,
        };
        let appended = self.with(channel, |log| {
            if log.head() != expected {
                return Err(AppendError::Moved { head: Some(log.head()) });
            }
            log.push(entry);
            log.fit(self.0.bytes_max, self.0.entries_max);
            Ok(log.head())
        });
        appended.unwrap_or(Err(AppendError::Moved { head: None }))
    }

    fn forget_now(&self, channel: &ChannelName) -> bool {
        let Some(log) = self.0.logs.write().remove(channel) else { return false };
        let mut log = log.lock();
        log.gone = true;
        self.0.bytes.fetch_sub(log.counted, Ordering::Relaxed);
        true
    }

    fn fold_now(&self, channel: &ChannelName, at: Option<Position>) -> Result<Folded, ReadError> {
        let taken = self.with(channel, |log| {
            let at = at.unwrap_or_else(|| log.oldest());
            let skip = log.place(at)?;
            Ok((log.head(), skip, Arc::clone(&log.checkpoint), log.entries.iter().cloned().collect::<Vec<_>>()))
        });
        let (head, skip, checkpoint, entries) = taken.unwrap_or(Err(ReadError::Missing))?;
        let mut fold = Arc::unwrap_or_clone(checkpoint);
        let mut logged = (fold.offset() + 1..).zip(entries).map(|(offset, entry)| Logged { offset, entry });
        for Logged { offset, entry } in logged.by_ref().take(skip) {
            fold.apply(&(), offset, &entry);
        }
        Ok(Folded { fold, later: logged.collect(), head })
    }
}

impl Log {
    fn oldest(&self) -> Position {
        self.epoch.at(self.checkpoint.offset())
    }

    fn head(&self) -> Position {
        self.epoch.at(self.checkpoint.offset() + self.entries.len() as u64)
    }

    fn bytes(&self) -> u64 {
        (self.entry_bytes + self.checkpoint.bytes()) as u64
    }

    /// How many of the entries lie up to a position.
    fn place(&self, at: Position) -> Result<usize, ReadError> {
        let (oldest, head) = (self.oldest(), self.head());
        if at.epoch != self.epoch {
            return Err(ReadError::OtherEpoch { head });
        }
        if at.offset > head.offset {
            return Err(ReadError::Beyond { head });
        }
        let place = at.offset.checked_sub(oldest.offset).ok_or(ReadError::Trimmed { oldest })?;
        Ok(usize::try_from(place).expect("at most as many as there are entries"))
    }

    fn push(&mut self, entry: Arc<Entry>) {
        self.entry_bytes += entry.bytes();
        self.entries.push_back(entry);
    }

    /// Folds the oldest entry into the checkpoint.
    fn fold_oldest(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        self.entry_bytes -= entry.bytes();
        let offset = self.checkpoint.offset() + 1;
        Arc::make_mut(&mut self.checkpoint).apply(&(), offset, &entry);
    }

    /// Trims to the sizes: where one is passed, to an eighth below it, so that a reader which shares the checkpoint
    /// makes it be copied once in a while, not at every append.
    fn fit(&mut self, bytes_max: usize, entries_max: usize) {
        if self.entry_bytes <= bytes_max && self.entries.len() <= entries_max {
            return;
        }
        while self.entry_bytes > bytes_max - bytes_max / 8 || self.entries.len() > entries_max - entries_max / 8 {
            self.fold_oldest();
        }
    }
}

impl OpLog for MemoryLog {
    async fn append(&self, channel: &ChannelName, expect: Expect, entry: Arc<Entry>) -> Result<Position, AppendError> {
        self.append_now(channel, expect, entry)
    }

    async fn head(&self, channel: &ChannelName) -> Result<Option<Position>, Unavailable> {
        Ok(self.with(channel, |log| log.head()))
    }

    async fn read(&self, channel: &ChannelName, after: Position, limit: usize) -> Result<Vec<Logged>, ReadError> {
        let read = self.with(channel, |log| {
            let skip = log.place(after)?;
            let entries = log.entries.iter().skip(skip).take(limit).cloned();
            Ok((after.offset + 1..).zip(entries).map(|(offset, entry)| Logged { offset, entry }).collect())
        });
        read.unwrap_or(Err(ReadError::Missing))
    }

    async fn fold_at(&self, channel: &ChannelName, at: Option<Position>) -> Result<Folded, ReadError> {
        self.fold_now(channel, at)
    }

    async fn trim(&self, channel: &ChannelName, before: u64) -> Result<(), Unavailable> {
        self.with(channel, |log| {
            while log.entries.front().is_some_and(|entry| entry.at < before) {
                log.fold_oldest();
            }
        });
        Ok(())
    }

    async fn forget(&self, channel: &ChannelName) -> Result<bool, Unavailable> {
        Ok(self.forget_now(channel))
    }

    fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oplog::contract;
    use crate::protocol::{DomOp, Mode, Op, StreamName};

    fn entry(text: &str) -> Arc<Entry> {
        let op = DomOp::Text { target: None, text: text.to_owned(), mode: Some(Mode::Append) };
        Arc::new(Entry { stream: StreamName::parse("s").unwrap(), ops: vec![Op::Dom(op)], at: 0 })
    }

    fn filled(log: &MemoryLog, name: &ChannelName, n: u64, text: &str) {
        let epoch = Epoch::new(7);
        for offset in 0..n {
            let expect = if offset == 0 { Expect::Nothing(epoch) } else { Expect::Head(epoch.at(offset)) };
            log.append_now(name, expect, entry(text)).unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_memory_log_keeps_the_contract() {
        contract::holds(async |options, keep| MemoryLog::new(&options, keep)).await;
    }

    #[test]
    fn bytes_are_those_of_what_is_held() {
        let options = LogOptions { channel_entries_max: 10, ..LogOptions::default() };
        let log = MemoryLog::new(&options, Keep::default());
        let held = |log: &MemoryLog| {
            let logs = log.0.logs.read();
            logs.values()
                .map(|log| {
                    let log = log.lock();
                    log.entries.iter().map(|entry| entry.bytes()).sum::<usize>() + log.checkpoint.bytes()
                })
                .sum::<usize>() as u64
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    for round in 0..20 {
                        let name = ChannelName::parse(&format!("c-{thread}-{}", round % 3)).unwrap();
                        log.forget_now(&name);
                        filled(log, &name, 5 + round, "some text");
                    }
                });
            }
        });
        assert_eq!(log.channels(), 12);
        assert!(log.bytes() > 0);
        assert_eq!(log.bytes(), held(&log));
    }

    #[test]
    fn each_entry_is_folded_once() {
        // Work is counted by the thread's own clock: twice the appends, about twice the time.
        let work = |n: u64| {
            let options = LogOptions { channel_entries_max: 100, ..LogOptions::default() };
            let log = MemoryLog::new(&options, Keep { stream_bytes_max: 50_000, ..Keep::default() });
            let clock = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            let before = clock();
            filled(&log, &ChannelName::parse("a").unwrap(), n, "a token ");
            let after = clock();
            (after.tv_sec - before.tv_sec) as f64 + (after.tv_nsec - before.tv_nsec) as f64 / 1e9
        };
        let best = |n| (0..5).map(|_| work(n)).fold(f64::MAX, f64::min);
        let (once, eight_times) = (best(5_000), best(40_000));
        assert!(eight_times < 16.0 * once, "{eight_times} s for eight times what took {once} s");
    }
}

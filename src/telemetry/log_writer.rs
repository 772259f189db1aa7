//! Log lines on their way out: handed to one thread, which writes them in as few calls as it can.
//!
//! Whoever logs never waits. Written directly, a log whose reader has stopped (a full pipe) would stop every worker at
//! its next line. Here lines beyond [`LINES_MAX`] are thrown away and counted, and the count is told when there is room
//! again.
//!
//! **Invariant:** logging never blocks, lines keep their order, and what is thrown away is told
//! (`a_reader_that_has_stopped_stops_nobody_else`, `lines_come_out_in_order_and_whole`).

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait: many times what a busy service writes in [`PAUSE`], about 2 MiB.
const LINES_MAX: usize = 4096;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 64 * 1024;
/// How long the thread rests after it has written. A line handed in meanwhile wakes nobody: waking a thread for each line
/// cost a busy service half of its requests a second.
const PAUSE: Duration = Duration::from_millis(25);
/// How long the end of the process waits for the last lines.
const FLUSH_WAIT: Duration = Duration::from_secs(1);

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Where log lines are handed in. A clone is a handle to the same thread.
#[derive(Clone)]
pub(super) struct LogWriter {
    sender: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

/// While it lives, lines are written; when it is dropped, those that wait are written out first.
#[must_use = "the last lines are lost if it is dropped before them"]
pub struct LogGuard {
    writer: LogWriter,
}

impl LogWriter {
    /// Starts the thread that writes to `out`. `note` says in one line that so many were thrown away.
    ///
    /// # Errors
    /// What the system says when no thread can be started.
    pub(super) fn start(out: impl Write + Send + 'static, note: fn(u64) -> String) -> io::Result<(Self, LogGuard)> {
        let (sender, receiver) = sync_channel(LINES_MAX);
        let writer = Self { sender, dropped: Arc::default() };
        let dropped = Arc::clone(&writer.dropped);
        let run = move || write_all(&receiver, io::BufWriter::with_capacity(WRITE_BYTES, out), &dropped, note);
        std::thread::Builder::new().name("log".to_owned()).spawn(run)?;
        Ok((writer.clone(), LogGuard { writer }))
    }
}

/// Writes what comes, and flushes when nothing waits. A reader that has gone ends nothing: lines are then written nowhere.
fn write_all(receiver: &Receiver<Message>, mut out: impl Write, dropped: &AtomicU64, note: fn(u64) -> String) {
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => drop(out.write_all(&line)),
                Message::Flush(done) => {
                    let _ = out.flush();
                    let _ = done.send(());
                }
            }
            next = receiver.try_recv().ok();
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "{}", note(lost));
        }
        let _ = out.flush();
        #[expect(clippy::disallowed_methods, reason = "a thread of its own, which serves nobody")]
        std::thread::sleep(PAUSE);
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Message::Line(line.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        let (done, wait) = sync_channel(1);
        if self.writer.sender.try_send(Message::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(FLUSH_WAIT);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use super::*;

    /// What came out, and a gate before it.
    #[derive(Clone, Default)]
    struct Sink {
        bytes: Arc<Mutex<Vec<u8>>>,
        gate: Arc<Mutex<()>>,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _open = self.gate.lock().unwrap();
            self.bytes.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn note(lost: u64) -> String {
        format!("lost {lost}")
    }

    #[test]
    fn lines_come_out_in_order_and_whole() {
        let sink = Sink::default();
        let (mut writer, guard) = LogWriter::start(sink.clone(), note).unwrap();
        for n in 0..1000 {
            writer.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        drop(guard);
        let expected: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        assert_eq!(String::from_utf8(sink.bytes.lock().unwrap().clone()).unwrap(), expected);
    }

    #[test]
    fn a_reader_that_has_stopped_stops_nobody_else() {
        let sink = Sink::default();
        let (mut writer, guard) = LogWriter::start(sink.clone(), note).unwrap();
        let lines = 3 * LINES_MAX;
        let line = [b"x".repeat(99), b"\n".to_vec()].concat();
        let (done, wait) = channel();
        let closed = sink.gate.lock().unwrap();
        std::thread::spawn(move || {
            for _ in 0..lines {
                writer.write_all(&line).unwrap();
            }
            done.send(()).unwrap();
        });
        wait.recv_timeout(Duration::from_secs(20)).expect("nobody waits for the reader");
        drop(closed);
        // The queue may be full still, so that the guard alone could not get its word in.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let told = loop {
            let text = String::from_utf8(sink.bytes.lock().unwrap().clone()).unwrap();
            if let Some(told) = text.lines().find_map(|line| line.strip_prefix("lost ")) {
                let written = text.lines().filter(|line| line.starts_with('x')).count();
                break written + told.parse::<usize>().unwrap();
            }
            assert!(std::time::Instant::now() < deadline, "what was lost is told");
            std::thread::yield_now();
        };
        assert_eq!(told, lines);
        drop(guard);
    }
}

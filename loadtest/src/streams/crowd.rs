//! Many subscribers in one thread, which count what they are sent and keep nothing of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::side::MARK;

/// How long one subscriber may take to be connected.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of a crowd so far.
#[derive(Default)]
struct Tally {
    connected: AtomicUsize,
    failed: AtomicUsize,
    marks: AtomicU64,
    bytes: AtomicU64,
}

/// Connected subscribers; they leave when it is dropped.
pub(super) struct Crowd {
    tally: Arc<Tally>,
    leave: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// From the first connection to the last answer.
    pub(super) took: Duration,
}

/// What subscribers do once they are connected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Read all that comes.
    All,
    /// Read no more.
    Nothing,
}

impl Crowd {
    /// Connects one subscriber for each request, at most `at_once` of them together, and returns when all have an answer.
    pub(super) fn connect(
        address: SocketAddr,
        requests: Vec<Vec<u8>>,
        at_once: usize,
        reading: Reading,
    ) -> io::Result<Self> {
        let tally = Arc::new(Tally::default());
        let (count, start) = (requests.len(), Instant::now());
        let (leave, left) = oneshot::channel();
        let thread = std::thread::spawn({
            let tally = Arc::clone(&tally);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            move || runtime.block_on(visit(address, requests, at_once, reading, tally, left))
        });
        let crowd = |took| Self { tally, leave: Some(leave), thread: Some(thread), took };
        let mut crowd = crowd(Duration::ZERO);
        while crowd.tally.connected.load(Ordering::Relaxed) + crowd.tally.failed.load(Ordering::Relaxed) < count {
            if start.elapsed() > PATIENCE {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        crowd.took = start.elapsed();
        let connected = crowd.tally.connected.load(Ordering::Relaxed);
        if connected < count {
            return Err(io::Error::other(format!("{connected} of {count} subscribers were let in")));
        }
        Ok(crowd)
    }

    /// Messages that arrived, over all subscribers.
    pub(super) fn marks(&self) -> u64 {
        self.tally.marks.load(Ordering::Relaxed)
    }

    /// Bytes that arrived.
    pub(super) fn bytes(&self) -> u64 {
        self.tally.bytes.load(Ordering::Relaxed)
    }

    /// Waits until `marks` have arrived, or `patience` is over.
    pub(super) fn wait_for(&self, marks: u64, patience: Duration) {
        let start = Instant::now();
        while self.marks() < marks && start.elapsed() < patience {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.leave.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn visit(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    at_once: usize,
    reading: Reading,
    tally: Arc<Tally>,
    left: oneshot::Receiver<()>,
) {
    let door = Arc::new(Semaphore::new(at_once));
    let mut all = JoinSet::new();
    for request in requests {
        let (tally, door) = (Arc::clone(&tally), Arc::clone(&door));
        all.spawn(async move {
            if subscribe(address, &request, &door, reading, &tally).await.is_err() {
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let _ = left.await;
    all.shutdown().await;
}

async fn subscribe(
    address: SocketAddr,
    request: &[u8],
    door: &Semaphore,
    reading: Reading,
    tally: &Tally,
) -> io::Result<()> {
    let permit = door.acquire().await.map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request).await?;
    let mut buffer = vec![0; 4096];
    let mut filled = 0;
    let head = loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if let Some(end) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    if !(buffer.starts_with(b"HTTP/1.1 200") || buffer.starts_with(b"HTTP/1.1 101")) {
        return Err(io::Error::other("refused"));
    }
    tally.connected.fetch_add(1, Ordering::Relaxed);
    drop(permit);
    let mut marks = Marks::default();
    marks.count(&buffer[head..filled], tally);
    if reading == Reading::Nothing {
        return std::future::pending().await;
    }
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        marks.count(&buffer[..read], tally);
    }
}

/// What one subscriber has read.
#[derive(Default)]
struct Marks {
    /// Whether the last byte was the first half of a mark.
    half: bool,
}

impl Marks {
    fn count(&mut self, bytes: &[u8], tally: &Tally) {
        let mut marks = 0;
        for byte in bytes {
            marks += u64::from(*byte == MARK && self.half);
            self.half = *byte == MARK && !self.half;
        }
        tally.marks.fetch_add(marks, Ordering::Relaxed);
        tally.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

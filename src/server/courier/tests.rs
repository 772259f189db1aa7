//! Couriers over a pipe that holds little, with a clock that is moved.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{advance, timeout};

use super::*;
use crate::channel::deliver_here;
use crate::http::Feed;
use crate::server::open::Opened;
use crate::server::slots::Slots;
use crate::telemetry::Metrics;

const WRITE: Duration = Duration::from_secs(10);

/// Gives pieces of this size, so many, or without end; keeps what it is told.
#[derive(Clone)]
struct Pieces {
    bytes: usize,
    left: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    told: Arc<Mutex<Vec<u8>>>,
    room: Arc<AtomicBool>,
}

impl Pieces {
    fn new(bytes: usize, left: usize) -> Self {
        let room = Arc::new(AtomicBool::new(true));
        Self { bytes, left: Arc::new(AtomicUsize::new(left)), asked: Arc::default(), told: Arc::default(), room }
    }
}

impl Feed for Pieces {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.asked.fetch_add(1, Relaxed);
        match self.left.load(Relaxed) {
            0 => Poll::Ready(None),
            usize::MAX => Poll::Pending,
            left => {
                self.left.store(left - 1, Relaxed);
                Poll::Ready(Some(vec![b'x'; self.bytes].into()))
            }
        }
    }

    fn has_room(&self) -> bool {
        self.room.load(Relaxed)
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.told.lock().extend_from_slice(bytes);
    }
}

/// A courier of this feed, and the client's end of its pipe, which holds 1 KiB.
fn start(feed: impl Feed + 'static) -> (DuplexStream, JoinHandle<()>) {
    let (client, io) = duplex(1024);
    let slot = Slots::new(9, 9, Vec::new(), Metrics::new()).take(None).unwrap();
    let ongoing = Box::new(Ongoing::for_tests(Box::new(feed)));
    let courier = Courier::new(io, ongoing, WRITE, slot, Opened::default().open());
    (client, spawn_local(courier))
}

async fn locally(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test(start_paused = true)]
async fn all_is_written_and_then_the_half_is_closed() {
    locally(async {
        let pieces = Pieces::new(3000, 7);
        let (mut client, courier) = start(pieces.clone());
        let mut read = Vec::new();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read.len(), 21_000);
        assert!(!courier.is_finished(), "it waits for the client to close");
        client.write_all(b"still here").await.unwrap();
        drop(client);
        courier.await.unwrap();
        assert_eq!(*pieces.told.lock(), b"", "what comes after the end is thrown away");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_close_is_not_waited_for() {
    locally(async {
        let (mut client, courier) = start(Pieces::new(10, 1));
        client.read_to_end(&mut Vec::new()).await.unwrap();
        timeout(LINGER + Duration::from_millis(10), courier).await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_feed_is_asked_only_when_there_is_room() {
    locally(async {
        let pieces = Pieces::new(2048, 1_000_000);
        let (mut client, courier) = start(pieces.clone());
        advance(Duration::from_secs(5)).await;
        assert_eq!(pieces.asked.load(Relaxed), AHEAD_BYTES / 2048, "no more than lies ahead");
        let mut some = vec![0; 100 * 1024];
        client.read_exact(&mut some).await.unwrap();
        let pieces_read = some.len() / 2048;
        assert!((pieces_read..=pieces_read + AHEAD_BYTES / 2048 + 1).contains(&pieces.asked.load(Relaxed)));
        courier.abort();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_never_reads_is_cut_off() {
    locally(async {
        let (mut client, courier) = start(Pieces::new(4000, 1_000_000));
        let began = Instant::now();
        client.read_exact(&mut [0; 3000]).await.unwrap();
        courier.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), (WRITE * DRIP_WINDOWS).as_secs());
    })
    .await;
}

/// A little now and then, but too little in all.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_drips_is_cut_off() {
    locally(async {
        for (bytes, kept) in [(8 * 1024, false), (12 * 1024, true)] {
            let (mut client, courier) = start(Pieces::new(4000, 1_000_000));
            for _ in 0..20 {
                tokio::time::sleep(WRITE - Duration::from_millis(100)).await;
                if client.read_exact(&mut vec![0; bytes]).await.is_err() {
                    break;
                }
            }
            assert_eq!(!courier.is_finished(), kept, "{bytes}");
            courier.abort();
        }
    })
    .await;
}

/// Several timeouts without a byte, many times over: as a busy reader may seem to us, who then takes all.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_stops_now_and_then_is_kept() {
    locally(async {
        let pieces = Pieces::new(50_000, 60);
        let (mut client, courier) = start(pieces.clone());
        for _ in 0..30 {
            tokio::time::sleep(WRITE * (DRIP_WINDOWS - 1)).await;
            client.read_exact(&mut vec![0; 100_000]).await.unwrap();
        }
        client.read_to_end(&mut Vec::new()).await.unwrap();
        drop(client);
        courier.await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_ends_it_at_once() {
    locally(async {
        let (client, courier) = start(Pieces::new(1, usize::MAX));
        tokio::task::yield_now().await;
        drop(client);
        courier.await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_the_client_says_is_read_only_when_there_is_room() {
    locally(async {
        let pieces = Pieces::new(1, usize::MAX);
        pieces.room.store(false, Relaxed);
        let (mut client, courier) = start(pieces.clone());
        assert!(timeout(WRITE, client.write_all(&[b'y'; 5000])).await.is_err(), "the pipe is full");
        assert_eq!(*pieces.told.lock(), b"");
        courier.abort();
        pieces.room.store(true, Relaxed);
        let (mut client, _courier) = start(pieces.clone());
        client.write_all(&[b'y'; 5000]).await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(pieces.told.lock().len(), 5000);
    })
    .await;
}

/// Gives what it is given, and says so.
#[derive(Clone, Default)]
struct Given(Arc<Mutex<(VecDeque<Bytes>, Option<Waker>)>>);

impl Given {
    /// One more piece; who waits is woken, with leave to deliver or without.
    fn give(&self, piece: Vec<u8>, here: bool) {
        self.0.lock().0.push_back(piece.into());
        let waker = self.0.lock().1.take();
        deliver_here(here, || waker.into_iter().for_each(Waker::wake));
    }
}

impl Feed for Given {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut given = self.0.lock();
        given.1 = Some(cx.waker().clone());
        given.0.pop_front().map_or(Poll::Pending, |piece| Poll::Ready(Some(piece)))
    }
}

#[tokio::test(start_paused = true)]
async fn who_publishes_writes_what_can_be_written() {
    locally(async {
        let given = Given::default();
        let (mut client, courier) = start(given.clone());
        tokio::task::yield_now().await;
        let mut read = [0; 4096];
        given.give(b"at once".to_vec(), true);
        assert_eq!(client.read(&mut read).now_or_never().unwrap().unwrap(), 7, "no task had its turn");
        given.give(b"by the task".to_vec(), false);
        assert!(client.read(&mut read).now_or_never().is_none());
        tokio::task::yield_now().await;
        assert_eq!(client.read(&mut read).now_or_never().unwrap().unwrap(), 11);
        // More than the pipe holds, and then some.
        let pieces: Vec<Vec<u8>> = (0..9).map(|n| vec![n; 700]).collect();
        pieces.iter().for_each(|piece| given.give(piece.clone(), true));
        let mut all = vec![0; 9 * 700];
        client.read_exact(&mut all).await.unwrap();
        assert!(all == pieces.concat());
        drop(client);
        courier.await.unwrap();
        given.give(Vec::new(), true);
        assert_eq!(Arc::strong_count(&given.0), 1, "it is held by nobody");
    })
    .await;
}

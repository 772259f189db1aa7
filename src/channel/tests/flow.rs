//! From a publish to a page: at once after quiet, together when it is much, once and in order always.

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_published_reaches_who_waited_for_the_name() {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", From::Beginning);
    assert_eq!(reader.text().await, "");
    assert_eq!((stage.hub.load().channels, stage.hub.load().waiting), (0, 1));
    let began = Instant::now();
    stage.say("c", "hello").await;
    assert!(matches!(reader.take().await, Some(Delivery::Tick(_))));
    assert_eq!(began.elapsed(), Duration::ZERO, "the first is at once");
    assert_eq!(reader.text().await, "hello");
    assert_eq!(reader.page.told, ["Snapshot"]);
    let mut late = stage.watch("c", From::Beginning);
    assert_eq!(late.text().await, "hello");
    assert_eq!((stage.hub.load().channels, stage.hub.load().waiting), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn ticks_keep_their_distance_and_the_first_is_at_once() {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", From::Beginning);
    reader.settle().await;
    let began = Instant::now();
    let publisher = async {
        for n in 0..10_000 {
            stage.say("c", &format!("{n},")).await;
            if n % 10 == 9 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let mut at = Vec::new();
    let reading = async {
        while began.elapsed() < Duration::from_millis(1_100) {
            if let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(100), reader.take()).await {
                at.push(began.elapsed());
            }
        }
    };
    tokio::join!(publisher, reading);
    assert_eq!(at[0], Duration::ZERO);
    let closest = at.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    assert!(closest >= Duration::from_millis(16), "{closest:?}");
    let (ticks, seconds) = (at.len() as f64, at.last().unwrap().as_secs_f64());
    assert!((50.0..=65.0).contains(&(ticks / seconds)), "{ticks} ticks in {seconds} s");
    let expected: String = (0..10_000).map(|n| format!("{n},")).collect();
    assert_eq!(reader.text().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_there_only_while_something_waits() {
    let stage = Stage::new(HubOptions::default());
    let tasks = || stage.metric("rillmark_channel_tasks");
    stage.say("c", "a").await;
    assert_eq!(tasks(), 0.0, "the first needs none");
    stage.say("c", "b").await;
    assert_eq!(tasks(), 1.0);
    for text in ["c", "d"] {
        stage.say("c", text).await;
        assert_eq!(tasks(), 1.0, "one is enough");
    }
    let mut reader = stage.watch("c", From::Beginning);
    assert_eq!(reader.text().await, "abcd");
    assert_eq!(tasks(), 0.0);
}

#[test]
fn a_timer_that_dies_with_its_worker_is_made_up_for() {
    let stage = Stage::new(HubOptions { tick: Duration::from_secs(60), ..HubOptions::default() });
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let worker = runtime();
    worker.block_on(async {
        stage.say("c", "a").await;
        stage.say("c", "b").await;
    });
    drop(worker);
    assert_eq!(stage.metric("rillmark_channel_tasks"), 0.0);
    runtime().block_on(async {
        let mut reader = stage.watch("c", From::Beginning);
        assert_eq!(reader.text().await, "a", "nobody sees to the second");
        stage.hub.sweep().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(reader.text().await, "ab");
    });
}

#[tokio::test(start_paused = true)]
async fn what_happens_is_counted() {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", From::Beginning);
    reader.settle().await;
    stage.say("c", "a").await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let ops = json!([{"op": "event", "name": "n"}, {"op": "text", "text": "b", "mode": "append"}, {"op": "done"}]);
    stage.publish("c", "s", ops).await.unwrap();
    assert_eq!(reader.text().await, "ab");
    for (line, expected) in [
        ("rillmark_ops_published_total{kind=\"text\"}", 2.0),
        ("rillmark_ops_published_total{kind=\"done\"}", 1.0),
        ("rillmark_ops_published_total", 4.0),
        ("rillmark_entries_total", 2.0),
        ("rillmark_ticks_total", 2.0),
        ("rillmark_subscribers{transport=\"sse\"}", 1.0),
        ("rillmark_runs_active", 0.0),
        ("rillmark_publish_to_socket_seconds_count", 2.0),
        // The first waited for its reader, who slept.
        ("rillmark_publish_to_socket_seconds_bucket{le=\"0.025\"}", 1.0),
        ("rillmark_resyncs_total", 0.0),
    ] {
        assert_eq!(stage.metric(line), expected, "{line}");
    }
    let load = stage.hub.load();
    assert!(load.log_bytes > 0 && load.kept_bytes > 0);
    assert_eq!(stage.metric("rillmark_log_bytes"), (load.log_bytes + load.kept_bytes + load.view_bytes) as f64);
    let state = stage.hub.channel_state(&channel("c")).await.unwrap();
    assert_eq!((state.subscribers, state.state), (1, ChannelLife::Idle));
    stage.publish("c", "m", json!([{"op": "markdown", "text": "# é"}])).await.unwrap();
    let state = stage.hub.channel_state(&channel("c")).await.unwrap();
    assert_eq!(state.streams[&stream("m")].bytes, 4);
}

#[tokio::test(start_paused = true)]
async fn a_batch_with_a_key_counts_once() {
    let stage = Stage::new(HubOptions::default());
    let batch = |text: &str, key: &str| json!({"stream": "s", "key": key, "ops": [{"op": "text", "text": text, "mode": "append"}]});
    let retries = (0..5).map(|_| stage.publish_with("c", batch("a", "1")));
    let ids = futures_util::future::join_all(retries).await;
    assert!(ids.iter().all(|id| *id == ids[0] && id.is_ok()), "{ids:?}");
    assert_eq!(stage.publish_with("c", batch("b", "1")).await, Err(PublishError::IdempotencyMismatch));
    assert!(stage.publish_with("c", batch("b", "2")).await.is_ok());
    assert_eq!(stage.watch("c", From::Beginning).text().await, "ab");
    let refused = json!({"stream": "s", "key": "3", "ops": [{"op": "markdown", "text": "x"}]});
    assert!(matches!(stage.publish_with("c", refused).await, Err(PublishError::Refused(_))));
    assert!(stage.publish_with("c", batch("c", "3")).await.is_ok(), "a refusal is not remembered");
}

#[tokio::test(start_paused = true)]
async fn a_refused_publish_leaves_no_name_behind() {
    let stage = Stage::new(HubOptions::default());
    let half = json!([{"op": "markdown", "text": "x", "options": {"dense": false}}]);
    assert!(stage.publish("c", "s", half).await.is_err());
    let epoch = json!({"stream": "s", "epoch": "1f", "ops": [{"op": "start"}]});
    assert_eq!(stage.publish_with("c", epoch).await, Err(PublishError::EpochChanged { current: None }));
    assert_eq!(stage.hub.load(), HubLoad::default());
}

#[tokio::test(start_paused = true)]
async fn large_documents_are_framed_off_the_worker_and_all_arrive() {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", From::Beginning);
    let paragraph = "word ".repeat(2_000);
    for _ in 0..20 {
        let ops = json!([{"op": "markdown", "text": format!("{paragraph}\n\n")}]);
        stage.publish("c", "s", ops).await.unwrap();
        reader.take().await;
    }
    stage.publish("c", "s", json!([{"op": "done"}])).await.unwrap();
    let expected = format!("<p>{}</p>", paragraph.trim()).repeat(20);
    assert!(reader.text().await == expected, "every paragraph is there");
    assert!(stage.watch("c", From::Beginning).text().await == expected, "in the snapshot too");
}

#[tokio::test(start_paused = true)]
async fn the_worker_is_spared_every_tick_of_a_large_document() {
    for (words, at_once) in [(10, true), (20_000, false)] {
        for last in
            [json!({"op": "done"}), json!({"op": "error", "error": "e"}), json!({"op": "markdown", "text": "x"})]
        {
            let stage = Stage::new(HubOptions::default());
            let mut reader = stage.watch("c", From::Beginning);
            // Whatever comes may close the emphasis, so each frame parses all of it.
            let text = format!("*{}", "word ".repeat(words));
            stage.publish("c", "s", json!([{"op": "start"}, {"op": "markdown", "text": text}])).await.unwrap();
            reader.settle().await;
            stage.publish("c", "s", json!([last])).await.unwrap();
            let topic = stage.hub.inner().known(&channel("c")).unwrap();
            let made = topic.feed.lock().pending.is_empty();
            assert_eq!(made, at_once, "{words} words, {last}");
            let page = reader.settle().await;
            assert!(page.text["s"].contains("word word"), "{last}");
            assert!(topic.feed.lock().pending.is_empty(), "it was made in the end");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_the_state_keeps_nobody_from_publishing() {
    let stage = Stage::new(HubOptions::default());
    let hub = stage.hub.inner();
    let turns = u32::try_from(hub.ticks.available_permits()).unwrap();
    let taken = hub.ticks.acquire_many(turns).await.unwrap();
    let text = "word ".repeat(20_000);
    stage.publish("c", "s", json!([{"op": "markdown", "text": text}])).await.unwrap();
    let name = channel("c");
    let mut asked = std::pin::pin!(stage.hub.channel_state(&name));
    assert!(asked.as_mut().now_or_never().is_none(), "it waits for its turn");
    let second = Duration::from_secs(1);
    let published = tokio::time::timeout(second, stage.publish("c", "t", json!([{"op": "start"}]))).await;
    let id = published.expect("nobody waits for who asks").unwrap();
    drop(taken);
    let state = asked.await.unwrap();
    assert_eq!((state.id, state.streams.len(), state.state), (id, 2, ChannelLife::Active));
}

/// A page of a channel where a document was framed just now that has to earn its next frame for 100 ms, and when that was.
async fn stage_with_a_costly_document() -> (Stage, Reader, Instant) {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", From::Beginning);
    // Whatever comes may close the emphasis, so each frame parses all of it: 200 KB.
    let text = format!("*{}", "word ".repeat(40_000));
    stage.publish("c", "s", json!([{"op": "start"}, {"op": "markdown", "text": text}])).await.unwrap();
    reader.settle().await;
    write(&stage, "x").await;
    reader.take().await;
    (stage, reader, Instant::now())
}

async fn write(stage: &Stage, text: &str) {
    stage.publish("c", "s", json!([{"op": "markdown", "text": text}])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn text_that_earns_a_frame_is_not_kept_waiting() {
    // Of these pieces, one a millisecond, 12.5 KB are worth a frame. They begin when the timer waits for credit already.
    for (piece, count, earliest, latest) in
        [(1, 1, 99, 102), (4, 60, 90, 102), (1_000, 60, 28, 45), (50_000, 1, 28, 45)]
    {
        let (stage, mut reader, framed) = stage_with_a_costly_document().await;
        write(&stage, "y").await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        let texts = async {
            for _ in 0..count {
                write(&stage, &"y".repeat(piece)).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let shown = async {
            reader.take().await;
            framed.elapsed().as_millis()
        };
        let ((), waited) = tokio::join!(texts, shown);
        assert!((earliest..=latest).contains(&waited), "{count} × {piece} bytes: {waited} ms");
        reader.settle().await;
        assert!(reader.page.text["s"].ends_with(&"y".repeat(1 + piece * count)));
        assert_eq!(stage.metric("rillmark_channel_tasks"), 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tick_made_for_another_ends_the_wait_for_credit() {
    let (stage, mut reader, framed) = stage_with_a_costly_document().await;
    write(&stage, "y").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Who asks has a tick made; what is published then owes nothing.
    stage.hub.channel_state(&channel("c")).await.unwrap();
    reader.take().await;
    stage.publish("c", "t", json!([{"op": "text", "text": "z", "mode": "append"}])).await.unwrap();
    reader.take().await;
    let waited = framed.elapsed().as_millis();
    assert!(reader.page.text["t"] == "z" && waited <= 40, "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn the_worker_is_spared_the_encoding_of_a_large_snapshot() {
    for (bytes, at_once) in [(10, true), (100_000, false)] {
        let stage = Stage::new(HubOptions::default());
        stage.say("c", &"x".repeat(bytes)).await;
        stage.watch("c", From::Beginning).settle().await;
        stage.say("c", "y").await;
        stage.watch("c", From::Beginning).settle().await;
        // The snapshot is there by now, but not for a page that has an id.
        let hub = stage.hub.inner();
        let turns = u32::try_from(hub.joins.available_permits()).unwrap();
        let taken = hub.joins.acquire_many(turns).await.unwrap();
        let mut lost = stage.watch("c", From::At("unreadable".to_owned()));
        let told = tokio::time::timeout(Duration::from_millis(100), lost.take()).await;
        assert_eq!(told.is_ok(), at_once, "{bytes} bytes");
        drop(taken);
        assert_eq!(lost.text().await.len(), bytes + 1);
        assert_eq!(lost.page.resets, 1);
    }
}

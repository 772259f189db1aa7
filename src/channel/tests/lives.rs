//! Channels that come and go.

use super::*;

fn brief() -> HubOptions {
    HubOptions { retention: Duration::from_secs(1), stream_idle: Duration::from_secs(5), ..HubOptions::default() }
}

/// Lets so many seconds pass, with a look at what they have done after each.
async fn seconds(stage: &Stage, count: usize) {
    for _ in 0..count {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stage.hub.sweep().await;
    }
}

async fn finished(stage: &Stage, name: &str, text: &str) -> Position {
    let ops = json!([{"op": "text", "text": text, "mode": "append"}, {"op": "done"}]);
    stage.publish(name, "s", json!([{"op": "start", "clear": true}])).await.unwrap();
    stage.publish(name, "s", ops).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_idle_channel_is_given_up_and_comes_back_under_another_epoch() {
    let stage = Stage::new(brief());
    let id = finished(&stage, "c", "a").await;
    let mut reader = stage.watch("c", From::Beginning);
    assert_eq!(reader.text().await, "a");
    seconds(&stage, 3).await;
    assert_eq!((stage.hub.load().channels, stage.hub.load().log_bytes, stage.hub.load().kept_bytes), (0, 0, 0));
    assert_eq!(reader.text().await, "a", "a page keeps what it shows");
    assert_eq!(reader.page.resets, 0);
    let old = json!({"stream": "s", "epoch": id.epoch.to_string(), "ops": [{"op": "start"}]});
    assert_eq!(stage.publish_with("c", old).await, Err(PublishError::EpochChanged { current: None }));
    let again = finished(&stage, "c", "b").await;
    assert_ne!(again.epoch, id.epoch);
    assert_eq!(reader.text().await, "b");
    assert_eq!((reader.page.resets, reader.page.id), (1, Some(again.to_string())));
    assert_eq!(stage.metric("rillmark_resyncs_total{reason=\"epoch\"}"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_to_or_watched_as_a_feed_is_kept() {
    let stage = Stage::new(brief());
    stage.say("watched", "a").await;
    stage.say("unwatched", "a").await;
    stage.publish("active", "s", json!([{"op": "markdown", "text": "a"}])).await.unwrap();
    let mut reader = stage.watch("watched", From::Beginning);
    seconds(&stage, 3).await;
    assert_eq!(stage.hub.load().channels, 2, "a feed that nobody watches is of no use to anyone");
    stage.say("watched", "b").await;
    assert_eq!(reader.text().await, "ab");
    assert_eq!(reader.page.resets, 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_feeds_ends_with_an_error() {
    let stage = Stage::new(HubOptions { stream_idle: Duration::from_secs(5), ..HubOptions::default() });
    stage.publish("c", "s", json!([{"op": "markdown", "text": "half\n\n"}])).await.unwrap();
    stage.publish("c", "feed", json!([{"op": "text", "text": "x", "mode": "append"}])).await.unwrap();
    let mut reader = stage.watch("c", From::Beginning);
    seconds(&stage, 4).await;
    stage.publish("c", "s", json!([{"op": "markdown", "text": "done\n\n"}])).await.unwrap();
    seconds(&stage, 4).await;
    reader.settle().await;
    assert!(reader.page.errors.is_empty(), "it was fed in between");
    seconds(&stage, 3).await;
    assert_eq!(reader.text().await, "<p>half</p><p>done</p>");
    assert_eq!(reader.page.errors, ["s: Interrupted"], "and the feed goes on");
    let state = stage.hub.channel_state(&channel("c")).await.unwrap();
    assert_eq!(state.streams[&stream("s")].state, crate::protocol::RunState::Error);
    assert_eq!(stage.metric("rillmark_runs_active"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_channels_come_and_go_and_leave_nothing() {
    let stage = Stage::new(brief());
    for _ in 0..3 {
        let mut readers = Vec::new();
        for n in 0..1_000 {
            let name = format!("c{n}");
            readers.push(stage.watch(&name, From::Beginning));
            finished(&stage, &name, "a").await;
        }
        for reader in &mut readers {
            for _ in 0..3 {
                reader.take().await;
            }
            assert_eq!(reader.page.text["s"], "a");
        }
        assert_eq!(stage.hub.load().channels, 1_000);
        drop(readers);
        seconds(&stage, 3).await;
        assert_eq!(stage.hub.load(), HubLoad::default());
        for gauge in ["channel_tasks", "runs_active", "subscribers"] {
            assert_eq!(stage.metric(&format!("rillmark_{gauge}")), 0.0, "{gauge}");
        }
        assert_eq!(stage.hub.inner().topics().flatten().count(), 0);
        assert!(stage.hub.inner().snapped.lock().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_cap_the_longest_idle_channel_makes_room() {
    let stage = Stage::new(HubOptions { channels_max: 3, ..HubOptions::default() });
    for name in ["a", "b", "c"] {
        finished(&stage, name, name).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    finished(&stage, "a", "again").await;
    finished(&stage, "d", "d").await;
    let names = |wanted: [&'static str; 4]| wanted.map(|name| stage.hub.inner().known(&channel(name)).is_some());
    assert_eq!(names(["a", "b", "c", "d"]), [true, false, true, true]);
    for name in ["a", "c", "d"] {
        stage.publish(name, "s", json!([{"op": "start"}])).await.unwrap();
    }
    let refused = stage.publish("e", "s", json!([{"op": "start"}])).await;
    assert_eq!(refused, Err(PublishError::TooManyChannels { max: 3 }));
    assert_eq!((stage.hub.load().channels, names(["e", "a", "c", "d"])), (3, [false, true, true, true]));
    assert!(stage.publish("a", "s", json!([{"op": "done"}])).await.is_ok());
    assert!(stage.publish("e", "s", json!([{"op": "start"}])).await.is_ok());
}

/// More than are looked at for one that makes room.
#[tokio::test(start_paused = true)]
async fn channels_that_were_written_to_often_make_room_at_once() {
    let stage = Stage::new(HubOptions { channels_max: 1_500, ..HubOptions::default() });
    for n in 0..1_500 {
        finished(&stage, &format!("c{n}"), "x").await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for n in (0..1_500).rev() {
        finished(&stage, &format!("c{n}"), "again").await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    stage.say("new", "x").await;
    assert!(stage.hub.inner().known(&channel("c1499")).is_none(), "the longest idle made room");
}

#[tokio::test(start_paused = true)]
async fn watched_feeds_do_not_stand_in_the_way_of_an_idle_channel() {
    let stage = Stage::new(HubOptions { channels_max: 101, ..HubOptions::default() });
    let mut watching = Vec::new();
    for n in 0..100 {
        let name = format!("feed-{n}");
        watching.push(stage.watch(&name, From::Now));
        stage.say(&name, "x").await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    finished(&stage, "idle", "x").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.say("new", "x").await;
    assert!(stage.hub.channel_state(&channel("idle")).await.is_none(), "it made room");
    assert!(
        watching.iter().enumerate().all(|(n, _)| stage.hub.inner().known(&channel(&format!("feed-{n}"))).is_some())
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_missed_the_end_of_a_life_is_told() {
    for pending in [false, true] {
        let stage = Stage::new(HubOptions { channels_max: 1, ..HubOptions::default() });
        let mut prompt = stage.watch("c", From::Beginning);
        let mut slow = stage.watch("c", From::Beginning);
        for reader in [&mut prompt, &mut slow] {
            reader.settle().await;
        }
        finished(&stage, "c", "a").await;
        assert_eq!(prompt.text().await, "a");
        let event = json!([{"op": "event", "name": "n"}]);
        stage.publish("c", "s", event.clone()).await.unwrap();
        prompt.take().await;
        if pending {
            // No tick was made of it when the channel has to make room.
            stage.publish("c", "s", event).await.unwrap();
        }
        stage.say("other", "x").await;
        for (reader, told) in [(&mut slow, true), (&mut prompt, pending)] {
            reader.settle().await;
            assert_eq!(reader.page.told.contains(&"Reset epoch".to_owned()), told, "{:?}", reader.page);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_logs_are_full_idle_channels_make_room() {
    let logs = LogOptions { bytes_max: 300_000, ..LogOptions::default() };
    let stage = Stage::with_logs(HubOptions::default(), &logs);
    for n in 0..20 {
        finished(&stage, &format!("c{n}"), &"x".repeat(20_000)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let load = stage.hub.load();
        assert!(load.log_bytes + load.kept_bytes < 400_000, "{load:?}");
    }
    let load = stage.hub.load();
    assert!((2..10).contains(&load.channels), "{load:?}");
    assert!(stage.hub.inner().known(&channel("c19")).is_some(), "the latest is there");
    let stage = Stage::with_logs(HubOptions::default(), &logs);
    let big = json!([{"op": "markdown", "text": "x".repeat(40_000)}]);
    let mut refused = None;
    for n in 0..20 {
        refused = stage.publish(&format!("c{n}"), "s", big.clone()).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert_eq!(refused, Some(PublishError::LogsFull { max: 300_000 }), "active ones are not given up");
    stage.hub.inner().tell_all(&stage.hub.inner().known(&channel("c0")).unwrap()).await;
    let mut open = stage.hub.open(&channel("c"), &stream("s"), None, None).await.expect("an ended one has made room");
    let mut taken = 0;
    let end = loop {
        match open.push(&[b'x'; 4_000]).await {
            Ok(_) => taken += 4_000,
            Err(end) => break end,
        }
    };
    assert_eq!(end, OpenEnd::Log);
    let finished = open.finish(false).await;
    assert_eq!((finished.finish, finished.bytes), (crate::protocol::RunState::Error, taken));
}

#[tokio::test(start_paused = true)]
async fn names_that_nobody_uses_are_not_held() {
    let stage =
        Stage::new(HubOptions { waiting_names_max: 2, subscribers_per_channel_max: 2, ..HubOptions::default() });
    let a = stage.watch("a", From::Beginning);
    let _a = stage.watch("a", From::Now);
    let watching = Watching { transport: Carrier::Sse, cancels: false, wire: Wire::Djust };
    let subscribe = |name: &str| stage.hub.subscribe(&channel(name), From::Beginning, watching).map(drop);
    assert_eq!(subscribe("a"), Err(SubscribeError::TooManySubscribers { max: 2 }));
    let b = stage.watch("b", From::Beginning);
    assert_eq!(subscribe("c"), Err(SubscribeError::TooManyNames { max: 2 }));
    stage.say("b", "x").await;
    assert_eq!(subscribe("c"), Ok(()), "a name that is published to is not waited for");
    assert_eq!(stage.hub.load().waiting, 1, "who left holds no name");
    drop((a, _a, b));
    assert_eq!(stage.hub.load().waiting, 0);
    assert_eq!(stage.hub.inner().topics().flatten().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_given_up_though_someone_asks_for_it_as_the_last_leaves() {
    let stage = Stage::new(HubOptions::default());
    let (name, hub) = (channel("c"), stage.hub.clone());
    let watching = stage.watch("c", From::Beginning);
    let topic = hub.inner().known(&name).unwrap();
    let writer = std::sync::Arc::clone(&topic.writer).lock_owned().await;
    let asking = tokio::spawn(async move { hub.channel_state(&name).await });
    tokio::task::yield_now().await;
    drop(watching);
    assert_eq!(stage.hub.load().waiting, 1, "it is in use");
    drop(writer);
    assert_eq!(asking.await.unwrap(), None);
    assert_eq!(stage.hub.load(), HubLoad::default());
}

#[tokio::test(start_paused = true)]
async fn what_views_hold_counts_and_is_given_back() {
    let stage = Stage::new(HubOptions::default());
    let text = "x".repeat(100_000);
    stage.publish("c", "s", json!([{"op": "markdown", "text": text}])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let load = stage.hub.load();
    assert!((100_000..101_000).contains(&load.view_bytes), "{load:?}");
    stage.publish("c", "s", json!([{"op": "start", "clear": true}, {"op": "done"}])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(stage.hub.load().view_bytes < 1_000, "the old document is no more");
    tokio::time::sleep(Duration::from_secs(3601)).await;
    stage.hub.sweep().await;
    assert_eq!(stage.hub.load(), HubLoad::default());
}

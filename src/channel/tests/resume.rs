//! Coming back: from every id, after any pause, in any epoch.

use proptest::prelude::*;

use super::*;

/// A channel whose log holds `entries` entries of text at most, and is trimmed beyond.
fn stage_with_log(entries: usize) -> Stage {
    let logs = LogOptions { channel_entries_max: entries, ..LogOptions::default() };
    Stage::with_logs(HubOptions::default(), &logs)
}

#[tokio::test(start_paused = true)]
async fn every_id_of_the_log_is_resumed_without_a_snapshot() {
    let stage = Stage::new(HubOptions::default());
    let (mut text, mut ids) = (String::new(), Vec::new());
    for n in 0..40 {
        ids.push((stage.say("c", &format!("{n},")).await, format!("{text}{n},")));
        text += &format!("{n},");
        tokio::time::sleep(Duration::from_millis(n % 7 * 4)).await;
    }
    for quiet in [false, true] {
        for (id, before) in &ids {
            let mut reader = stage.watch("c", at(*id));
            reader.page.text.insert("s".to_owned(), before.clone());
            reader.page.id = Some(id.to_string());
            assert_eq!(reader.text().await, text, "from {id}");
            assert_eq!((reader.page.resets, &reader.page.told), (0, &vec!["Replay".to_owned()]));
            assert_eq!(reader.page.id, Some(ids.last().unwrap().0.to_string()));
            assert!(!quiet || reader.page.ticks <= 1, "one difference");
        }
        // Kept ticks are no part of the promise.
        let topic = stage.hub.inner().known(&channel("c")).unwrap();
        topic.feed.lock().ring.clear();
    }
    assert_eq!(stage.metric("rillmark_resyncs_total"), 0.0);
    assert!(stage.metric("rillmark_catch_ups_total") >= 39.0);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_cannot_be_resumed_gets_everything_anew() {
    let stage = stage_with_log(8);
    let first = stage.say("c", "0,").await;
    let mut text = "0,".to_owned();
    for n in 1..100 {
        stage.say("c", &format!("{n},")).await;
        text += &format!("{n},");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let topic = stage.hub.inner().known(&channel("c")).unwrap();
    topic.feed.lock().ring.clear();
    let ahead = first.epoch.at(1_000);
    let other = random_epoch().at(1);
    let cases = [
        (first.to_string(), "trimmed"),
        (ahead.to_string(), "ahead"),
        (other.to_string(), "epoch"),
        ("?".to_owned(), "unreadable"),
        (String::new(), "unreadable"),
        (format!("0{first}"), "unreadable"),
    ];
    for (id, reason) in cases {
        let line = format!("rillmark_resyncs_total{{reason=\"{reason}\"}}");
        let before = stage.metric(&line);
        let mut reader = stage.watch("c", From::At(id.clone()));
        reader.page.text.insert("s".to_owned(), "something old".to_owned());
        assert_eq!(reader.text().await, text, "{id}: {reason}");
        assert_eq!((reader.page.resets, &reader.page.told), (1, &vec!["Snapshot".to_owned()]));
        assert_eq!(stage.metric(&line), before + 1.0, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_just_published_waits_for_its_tick() {
    let stage = Stage::new(HubOptions::default());
    // One block whose emphasis may yet be closed, so that each frame costs as much as all of it.
    let grow = async |text: String| stage.publish("c", "s", json!([{"op": "markdown", "text": text}])).await.unwrap();
    grow(format!("*{}", "word ".repeat(40_000))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = stage.metric("rillmark_ticks_total");
    let mut readers = Vec::new();
    for _ in 0..20 {
        let id = grow("more ".to_owned()).await;
        readers.push(stage.watch("c", at(id)));
        for reader in &mut readers {
            drop(tokio::time::timeout(Duration::from_millis(1), reader.take()).await);
        }
    }
    let ticks = stage.metric("rillmark_ticks_total") - before;
    assert!((1.0..=6.0).contains(&ticks), "{ticks} ticks in 210 ms");
    for reader in &mut readers {
        reader.settle().await;
        assert_eq!((reader.page.told[0].as_str(), reader.page.resets), ("Replay", 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_without_a_log_tells_a_page_of_another_epoch_to_begin_anew() {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", at(random_epoch().at(7)));
    reader.settle().await;
    assert_eq!(reader.page.told, ["Snapshot", "Reset epoch"]);
    let id = reader.page.id.clone().unwrap();
    assert!(id.ends_with("-0"), "{id}");
    let mut again = stage.watch("c", From::At(id));
    again.settle().await;
    assert_eq!(again.page.told, ["Replay"], "the id it was given is a place to come back to");
    stage.say("c", "a").await;
    assert_eq!((reader.text().await, again.text().await), ("a", "a"));
    assert_eq!((reader.page.resets, again.page.resets), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_joins_shares_a_snapshot() {
    let stage = Stage::new(HubOptions::default());
    for n in 0..50 {
        stage.say("c", &format!("{n},")).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let topic = stage.hub.inner().known(&channel("c")).unwrap();
    let mut readers: Vec<_> = (0..200).map(|_| stage.watch("c", From::Beginning)).collect();
    let mut first = None;
    for reader in &mut readers {
        stage.say("c", "x").await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        reader.take().await;
        let Some(Delivery::Tick(tick)) = reader.take().await else { panic!("everything comes at once") };
        let first = first.get_or_insert_with(|| std::sync::Arc::clone(&tick));
        assert!(std::sync::Arc::ptr_eq(first, &tick), "one buffer for all");
    }
    assert_eq!(readers[0].text().await.to_owned(), readers[199].text().await);
    let made = topic.feed.lock().snapshots[0].as_ref().unwrap().made;
    stage.watch("c", From::Beginning).settle().await;
    assert_ne!(topic.feed.lock().snapshots[0].as_ref().unwrap().made, made, "after a second another");
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage.hub.sweep().await;
    assert!(topic.feed.lock().snapshots[0].is_none(), "and it is not held for ever");
}

#[tokio::test(start_paused = true)]
async fn from_now_brings_what_is_being_written_and_nothing_else() {
    let stage = Stage::new(HubOptions::default());
    stage.say("c", "old").await;
    stage.publish("c", "m", json!([{"op": "markdown", "text": "one\n\n"}])).await.unwrap();
    stage.publish("c", "d", json!([{"op": "markdown", "text": "gone"}, {"op": "done"}])).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut reader = stage.watch("c", From::Now);
    stage.say("c", "new").await;
    stage.publish("c", "m", json!([{"op": "markdown", "text": "two\n"}])).await.unwrap();
    assert_eq!(reader.text().await, "new");
    assert_eq!(reader.page.text["m"], "<p>one</p><p>two</p>");
    assert_eq!(reader.page.text.get("d"), None);
    let mut idle = stage.watch("other", From::Now);
    assert_eq!(idle.text().await, "");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_pulls_costs_nothing_and_ends_with_the_right_page() {
    let stage = stage_with_log(64);
    let mut slow = stage.watch("c", From::Beginning);
    slow.settle().await;
    let mut text = String::new();
    for n in 0..250 {
        let piece = format!("{n:x>20000},");
        stage.say("c", &piece).await;
        text += &piece;
        tokio::time::sleep(Duration::from_millis(17)).await;
    }
    let kept = stage.hub.load().kept_bytes;
    assert!(kept < 5 << 20, "{kept} bytes of kept ticks");
    let topic = stage.hub.inner().known(&channel("c")).unwrap();
    assert!(topic.feed.lock().ring.first() > 1, "it fell behind");
    let shown = slow.text().await.to_owned();
    assert!(text.ends_with(&shown) && shown.len() > 1 << 20, "all that the stream still keeps, {}", shown.len());
    assert_eq!(
        slow.page.id,
        stage.watch("c", From::Now).subscription.position().map(|id| id.to_string()).or(slow.page.id.clone())
    );
    assert_eq!(stage.metric("rillmark_resyncs_total{reason=\"trimmed\"}"), 1.0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A few pages, each pulling now and then, cut and coming back, while others publish, ticks are forgotten and the log
    /// is trimmed.
    #[test]
    fn a_page_gets_every_entry_once_and_in_order(
        steps in proptest::collection::vec((0_u8..8, 0_usize..4, 0_u64..40), 1..250),
        entries in 4_usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stage = stage_with_log(entries);
            let mut text = String::new();
            let mut pages: Vec<Option<Reader>> = (0..4).map(|_| Some(stage.watch("c", From::Beginning))).collect();
            for (n, (what, which, millis)) in steps.into_iter().enumerate() {
                match what {
                    0..=2 => {
                        text += &format!("{n},");
                        stage.say("c", &format!("{n},")).await;
                    }
                    3 | 4 => {
                        let reader = pages[which].as_mut().unwrap();
                        for _ in 0..millis {
                            if tokio::time::timeout(Duration::ZERO, reader.take()).await.is_err() {
                                break;
                            }
                        }
                    }
                    5 => {
                        let Reader { subscription, mut page } = pages[which].take().unwrap();
                        drop(subscription);
                        page.told.clear();
                        let from = page.id.clone().map_or(From::Beginning, From::At);
                        if from == From::Beginning {
                            page = Page::default();
                        }
                        let mut reader = stage.watch("c", from);
                        reader.page = page;
                        pages[which] = Some(reader);
                    }
                    6 => tokio::time::sleep(Duration::from_millis(millis)).await,
                    _ => {
                        if let Some(topic) = stage.hub.inner().known(&channel("c")) {
                            topic.feed.lock().ring.clear();
                        }
                    }
                }
            }
            for reader in pages.iter_mut().flatten() {
                prop_assert_eq!(reader.text().await, &text);
            }
            prop_assert_eq!(stage.metric("rillmark_channel_tasks"), 0.0);
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_with_one_id_shares_the_difference() {
    let stage = Stage::new(HubOptions::default());
    let old = stage.say("c", "old ").await;
    let mut page = stage.watch("c", From::Beginning);
    page.settle().await;
    // More than the kept ticks hold.
    for _ in 0..6 {
        stage.say("c", &"x".repeat(1_000_000)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut back: Vec<Reader> = (0..50).map(|_| stage.watch("c", at(old))).collect();
    for reader in &mut back {
        reader.page = page.page.clone();
        reader.page.told.clear();
        assert_eq!(reader.text().await.len(), 6_000_004);
        assert_eq!((reader.page.resets, &*reader.page.told), (0, &["Replay".to_owned()][..]));
    }
    assert_eq!(stage.metric("rillmark_catch_ups_total"), 50.0);
    assert_eq!(stage.metric("rillmark_differences_total"), 1.0);
    assert!(stage.hub.inner().known(&channel("c")).unwrap().catching_up.lock().is_idle());
}

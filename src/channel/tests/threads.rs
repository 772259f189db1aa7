//! On several threads and a clock that runs: what the other tests can't see.

use std::sync::Arc;

use super::*;

/// Publishers, readers that come and go, joins, cancels and looks meet on a few channels.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_together_lose_and_repeat_nothing() {
    let stage = Arc::new(stage_of_few_entries());
    let names: Vec<String> = (0..4).map(|n| format!("c{n}")).collect();
    let publishers = names.iter().map(|name| {
        let (stage, name) = (Arc::clone(&stage), name.clone());
        tokio::spawn(async move {
            let mut text = String::new();
            for n in 0..3_000 {
                stage.say(&name, &format!("{n},")).await;
                text += &format!("{n},");
                if n % 50 == 0 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    stage.hub.sweep().await;
                    assert!(stage.hub.stream_state(&channel(&name), &stream("s")).await.is_some());
                }
            }
            stage.hub.end(&channel(&name)).await.unwrap();
            text
        })
    });
    let readers = (0..40_usize).map(|n| {
        let (stage, name) = (Arc::clone(&stage), names[n % 4].clone());
        tokio::spawn(async move {
            let mut reader = stage.watch(&name, From::Beginning);
            for turn in 0..usize::MAX {
                if reader.take().await.is_none() {
                    break;
                }
                if (turn + n).is_multiple_of(13) {
                    tokio::time::sleep(Duration::from_millis(n as u64 * 3)).await;
                }
                if (turn + n).is_multiple_of(29) {
                    let Reader { subscription, mut page } = reader;
                    drop(subscription);
                    page.told.clear();
                    let from = page.id.clone().map_or(From::Beginning, From::At);
                    reader = Reader { page, ..stage.watch(&name, from) };
                }
            }
            reader.page.text.remove("s").unwrap_or_default()
        })
    });
    let (publishers, readers): (Vec<_>, Vec<_>) = (publishers.collect(), readers.collect());
    let mut texts = Vec::new();
    for publisher in publishers {
        texts.push(publisher.await.unwrap());
    }
    for (n, reader) in readers.into_iter().enumerate() {
        assert!(reader.await.unwrap() == texts[n % 4], "reader {n}");
    }
    let load = stage.hub.load();
    assert_eq!((load.subscribers, load.waiting, load.channels), (0, 0, 4));
    assert_eq!(stage.metric("rillmark_channel_tasks"), 0.0);
}

fn stage_of_few_entries() -> Stage {
    let logs = LogOptions { channel_entries_max: 200, ..LogOptions::default() };
    Stage::with_logs(HubOptions::default(), &logs)
}

/// Names are taken off the map by the last who used them, while others put them on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_name_that_comes_and_goes_is_one_name() {
    let stage = Arc::new(Stage::new(HubOptions { retention: Duration::ZERO, ..HubOptions::default() }));
    let tasks = (0..8_usize).map(|n| {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move {
            for turn in 0..300 {
                let mut reader = stage.watch("c", From::Beginning);
                if (n + turn).is_multiple_of(2) {
                    let ops = json!([{"op": "start"}, {"op": "text", "text": "x", "mode": "append"}, {"op": "done"}]);
                    let id = stage.publish("c", "s", ops).await.unwrap();
                    // It was there before: it sees this entry, or that the channel has begun anew since.
                    let seen = tokio::time::timeout(Duration::from_secs(5), async {
                        while reader
                            .subscription
                            .position()
                            .is_none_or(|at| at.epoch == id.epoch && at.offset < id.offset)
                        {
                            reader.subscription.next().await.unwrap();
                        }
                    });
                    seen.await.expect("who watches a name sees what is published to it");
                } else {
                    stage.hub.sweep().await;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    stage.hub.sweep().await;
    assert_eq!(stage.hub.load(), HubLoad::default());
    assert_eq!(stage.hub.inner().topics().flatten().count(), 0);
}

#[test]
fn what_is_spawned_may_move_between_threads() {
    fn movable<T: Send>(_: T) {}
    let stage = Stage::new(HubOptions::default());
    movable(stage.hub.keep());
    movable(stage.hub.drain(Duration::ZERO));
    let (name, batch) = (channel("c"), Batch::new(stream("s"), Vec::new()));
    movable(stage.hub.publish(
        &name,
        batch,
        Publisher { right: Right::Backend, caller: Caller::Local, fingerprint: 0 },
    ));
    movable(None::<Subscription>);
    movable(None::<OpenRun>);
}

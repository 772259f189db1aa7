//! Ends: of runs, of channels, of the service.

use super::*;
use crate::protocol::{RunState, Wire};

#[tokio::test(start_paused = true)]
async fn a_body_grows_a_document_and_is_told_what_became_of_it() {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", From::Beginning);
    let options = json!({"math": true}).as_object().cloned();
    let mut open = stage.hub.open(&channel("c"), &stream("s"), options, None).await.unwrap();
    for byte in "é $x$\n".as_bytes().chunks(1) {
        open.push(byte).await.unwrap();
    }
    let finished = open.finish(true).await;
    assert_eq!((finished.finish, finished.bytes), (RunState::Done, 7));
    assert_eq!(finished.source.as_deref(), Some("é $x$\n"));
    let html = "<p>é <span class=\"math math-inline\">x</span></p>";
    assert_eq!((finished.html.as_deref(), reader.text().await), (Some(html), html));
    assert_eq!(reader.page.id, Some(finished.id.to_string()));
    let state = stage.hub.stream_state(&channel("c"), &stream("s")).await.unwrap();
    assert_eq!((state.id, state.state), (finished.id, RunState::Done));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_leaves_an_error() {
    let stage = Stage::new(HubOptions::default());
    let mut reader = stage.watch("c", From::Beginning);
    let mut open = stage.hub.open(&channel("c"), &stream("s"), None, None).await.unwrap();
    open.push(b"**half").await.unwrap();
    let second = stage.hub.open(&channel("c"), &stream("s"), None, None).await;
    assert_eq!(second.err(), Some(PublishError::Refused(PublishRefusal::StreamBusy)));
    drop(open);
    assert_eq!(reader.text().await, "<p>**half</p>");
    assert_eq!(reader.page.errors, ["s: Interrupted"]);
    let third = stage.hub.open(&channel("c"), &stream("s"), None, None).await.unwrap();
    let failed = third.fail("No model", false).await;
    assert_eq!((failed.finish, failed.bytes, failed.source), (RunState::Error, 0, None));
    assert_eq!(reader.text().await, "", "an empty document all the same");
    assert_eq!(reader.page.errors, ["s: Interrupted", "s: No model"]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_the_body_and_the_page() {
    let stage = Stage::new(HubOptions::default());
    let (c, s) = (channel("c"), stream("s"));
    assert_eq!(stage.hub.cancel(&c, &s).await, Ok(Cancelled { id: None, cancelled: false }));
    let mut reader = stage.watch("c", From::Beginning);
    let mut open = stage.hub.open(&c, &s, None, None).await.unwrap();
    open.push(b"some\n").await.unwrap();
    let told = tokio::spawn(open.cancelled());
    let cancelled = stage.hub.cancel(&c, &s).await.unwrap();
    assert!(cancelled.cancelled);
    assert_eq!(told.await.unwrap(), OpenEnd::Cancelled);
    assert_eq!(open.push(b"more").await, Err(OpenEnd::Cancelled));
    let finished = open.finish(true).await;
    assert_eq!((finished.finish, finished.source.as_deref()), (RunState::Cancelled, Some("some\n")));
    assert_eq!(stage.hub.cancel(&c, &s).await.unwrap(), Cancelled { id: cancelled.id, cancelled: false });
    assert_eq!(reader.text().await, "<p>some</p>");
    assert_eq!(reader.page.errors, ["s: cancelled"]);
    assert_eq!(reader.page.told, ["Snapshot", "Cancelled s"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_run_gives_way_to_another_ends() {
    let stage = Stage::new(HubOptions::default());
    let mut open = stage.hub.open(&channel("c"), &stream("s"), None, None).await.unwrap();
    open.push(b"one").await.unwrap();
    stage.publish("c", "s", json!([{"op": "start"}, {"op": "markdown", "text": "two"}])).await.unwrap();
    assert_eq!(open.cancelled().await, OpenEnd::Ended);
    assert_eq!(open.push(b"three").await, Err(OpenEnd::Ended));
    let finished = open.finish(true).await;
    assert_eq!((finished.finish, finished.source), (RunState::Cancelled, None), "the text is another's");
    let state = stage.hub.stream_state(&channel("c"), &stream("s")).await.unwrap();
    assert_eq!(state.state, RunState::Active, "and so is the run");
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_cap_keeps_its_text_and_fails() {
    let stage = Stage::new(HubOptions { stream_bytes_max: 10, ..HubOptions::default() });
    let mut reader = stage.watch("c", From::Beginning);
    let mut open = stage.hub.open(&channel("c"), &stream("s"), None, None).await.unwrap();
    open.push(b"12345678").await.unwrap();
    assert_eq!(open.push(b"901").await, Err(OpenEnd::TooLarge { max: 10 }));
    let finished = open.finish(false).await;
    assert_eq!((finished.finish, finished.bytes), (RunState::Error, 8));
    assert_eq!(reader.text().await, "<p>12345678</p>");
    assert_eq!(reader.page.errors, ["s: Too long"]);
}

#[tokio::test(start_paused = true)]
async fn an_ended_channel_tells_its_content_and_then_that_nothing_follows() {
    let stage = Stage::new(HubOptions { retention: Duration::from_secs(60), ..HubOptions::default() });
    assert_eq!(stage.hub.end(&channel("c")).await, Ok(None));
    let mut reader = stage.watch("c", From::Beginning);
    let began = stage.say("c", "a").await;
    stage.publish("c", "m", json!([{"op": "markdown", "text": "*b"}])).await.unwrap();
    let end = stage.hub.end(&channel("c")).await.unwrap().unwrap();
    assert_eq!(stage.hub.end(&channel("c")).await, Ok(Some(end)));
    assert_eq!(reader.text().await, "a");
    assert_eq!(reader.page.text["m"], "<p>*b</p>");
    assert_eq!(reader.page.errors, ["m: Interrupted", "s: Interrupted"]);
    assert_eq!(reader.page.told, ["Snapshot", "Ended"]);
    assert!(reader.subscription.next().await.is_none());
    let refused = stage.publish("c", "s", json!([{"op": "start"}])).await;
    assert_eq!(refused, Err(PublishError::ChannelEnded));
    for (from, over, told) in [
        (From::Beginning, false, ["Snapshot", "Ended"]),
        (at(began), false, ["Replay", "Ended"]),
        (at(end), true, ["Replay", "Ended"]),
    ] {
        let mut late = stage.watch("c", from);
        assert_eq!(late.subscription.already_over(), over);
        if told[0] == "Replay" {
            late.page.id = Some(if over { end } else { began }.to_string());
        }
        late.settle().await;
        assert_eq!(late.page.told, told);
        assert_eq!(late.page.errors.len(), if over { 0 } else { 2 });
    }
    let state = stage.hub.channel_state(&channel("c")).await.unwrap();
    assert_eq!((state.state, state.id, state.streams.len()), (ChannelLife::Ended, end, 2));
    tokio::time::sleep(Duration::from_secs(61)).await;
    stage.hub.sweep().await;
    assert_ne!(stage.say("c", "new").await.epoch, end.epoch);
}

#[tokio::test(start_paused = true)]
async fn an_idle_channel_that_is_ended_wakes_who_waits() {
    let stage = Stage::new(HubOptions::default());
    stage.publish("c", "s", json!([{"op": "start"}, {"op": "done"}])).await.unwrap();
    let mut reader = stage.watch("c", From::Beginning);
    reader.settle().await;
    let name = channel("c");
    let (last, _) = tokio::join!(reader.take(), stage.hub.end(&name));
    assert!(matches!(last, Some(Delivery::Ended)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_tells_everything_before_it_sends_away() {
    let stage = Stage::new(HubOptions::default());
    let mut readers = Vec::new();
    let mut waiting = stage.watch("nobody", From::Beginning);
    for n in 0..40 {
        let name = format!("c{n}");
        readers.push((stage.watch(&name, From::Beginning), name));
    }
    let mut open = stage.hub.open(&channel("body"), &stream("s"), None, None).await.unwrap();
    open.push(b"*x").await.unwrap();
    let mut body = stage.watch("body", From::Beginning);
    for (_, name) in &readers {
        // The second waits for its tick when the stop comes.
        stage.say(name, "first,").await;
        stage.say(name, "second").await;
    }
    let drained = async {
        let began = tokio::time::Instant::now();
        stage.hub.drain(Duration::from_secs(5)).await;
        began.elapsed()
    };
    let publishing = async {
        tokio::task::yield_now().await;
        let refused = stage.publish("c0", "s", json!([{"op": "start"}])).await;
        assert_eq!(refused, Err(PublishError::Draining));
        let watching = Watching { transport: Carrier::Sse, cancels: false, wire: Wire::Djust };
        let late = stage.hub.subscribe(&channel("c0"), From::Beginning, watching);
        assert_eq!(late.err(), Some(SubscribeError::Draining));
    };
    let reading = async move {
        let mut come_back = Vec::new();
        for (mut reader, name) in readers {
            loop {
                match reader.take().await {
                    Some(Delivery::Bye { come_back: true, after_ms }) => come_back.push(after_ms),
                    Some(_) => {}
                    None => break,
                }
            }
            assert_eq!(reader.page.text["s"], "first,second", "{name}");
        }
        while waiting.take().await.is_some() {}
        assert_eq!(waiting.page.told, ["Snapshot", "Bye"]);
        while body.take().await.is_some() {}
        assert_eq!(
            (body.page.text["s"].as_str(), &*body.page.errors),
            ("<p>*x</p>", &["s: Interrupted".to_owned()][..])
        );
        come_back
    };
    let (took, (), come_back) = tokio::join!(drained, publishing, reading);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(come_back.len(), 40);
    let spread = come_back.iter().max().unwrap() - come_back.iter().min().unwrap();
    assert!(spread > 3_000 && come_back.iter().all(|ms| *ms < 5_000), "{come_back:?}");
    assert_eq!(open.push(b"y").await, Err(OpenEnd::Draining));
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_longer_than_it_may() {
    let stage = Stage::new(HubOptions::default());
    let _stuck = stage.watch("c", From::Beginning);
    let began = tokio::time::Instant::now();
    stage.hub.drain(Duration::from_secs(5)).await;
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

//! Any bytes as a batch, a message, positions and text in pieces: no panic, what is accepted is written as one line of
//! JSON that says the same again, and cuts do not show.
#![no_main]

use rillmark::protocol::{Batch, ClientMessage, DomOp, Frame, Joiner, Op, Piece, Positions, Sizes};

fn joined<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let (mut joiner, mut out) = (Joiner::new(), String::new());
    pieces.into_iter().for_each(|piece| joiner.push(piece, &mut out));
    joiner.finish(&mut out);
    out
}

/// The op as it leaves; `markdown` does not.
fn leaving(op: Op<Piece>) -> Option<DomOp> {
    let Op::Dom(op) = op else { return None };
    Some(match op {
        DomOp::Text { target, text, mode } => DomOp::Text { target, text: joined([text.as_bytes()]), mode },
        DomOp::Start { target, .. } => DomOp::Start { target, clear: false },
        DomOp::Html { place, target, html } => DomOp::Html { place, target, html },
        DomOp::Delete { target } => DomOp::Delete { target },
        DomOp::Prune { target, limit, edge } => DomOp::Prune { target, limit, edge },
        DomOp::Error { target, error } => DomOp::Error { target, error },
        DomOp::Done { target, cancelled } => DomOp::Done { target, cancelled },
        // Whether it is kept is not told.
        DomOp::Event { target, name, detail, .. } => DomOp::Event { target, name, detail, keep: false },
    })
}

fn written(batch: Batch) -> Vec<u8> {
    let mut out = Vec::new();
    Frame::new(batch.stream, batch.ops.into_iter().filter_map(leaving).collect()).write(&mut out, None, None, None);
    out
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let sizes = Sizes { op_bytes_max: 256, batch_ops_max: 8, batch_bytes_max: 2048, event_detail_bytes_max: 64 };
    if let Ok(batch) = Batch::parse(data, &sizes) {
        let has_ops = batch.ops.iter().any(|op| matches!(op, Op::Dom(_)));
        let frame = written(batch);
        assert!(!frame.contains(&b'\n') && !frame.contains(&b'\r'));
        // A frame may be published: what was written is read, and written as it was.
        let again = Batch::parse(&frame, &Sizes { batch_bytes_max: usize::MAX, op_bytes_max: 2048, ..sizes });
        assert_eq!(again.is_ok(), has_ops, "{again:?}");
        assert!(again.is_err() || written(again.unwrap()) == frame);
    }
    let _ = ClientMessage::parse(data, &sizes);
    let text = String::from_utf8_lossy(data);
    let positions = Positions::read(&text);
    assert_eq!(Positions::read(&positions.to_string()), positions);
    let whole = joined([data]);
    let cut = data.first().map_or(0, |first| usize::from(*first) % data.len());
    assert_eq!(joined([&data[..cut], &data[cut..]]), whole);
    assert_eq!(joined(data.chunks(1)), whole);
});

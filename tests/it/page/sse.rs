//! A reader of Server-Sent Events, as a browser reads them (WHATWG HTML §9.2.6), whatever the network cut.

/// An event that was dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// Its name; `message` where none was given.
    pub name: String,
    /// Its data.
    pub data: String,
    /// The last id so far: what a browser would send to resume.
    pub id: String,
}

/// The state of a reader between two pieces of the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct SseReader {
    line: Vec<u8>,
    after_cr: bool,
    name: String,
    data: String,
    id: String,
    /// The last `retry:`, in milliseconds.
    pub retry: Option<u64>,
    /// How many comments came.
    pub comments: usize,
}

impl SseReader {
    /// Reads on; gives the events that the piece completes.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<SseEvent> {
        let mut events = Vec::new();
        for byte in piece {
            let after_cr = std::mem::replace(&mut self.after_cr, *byte == b'\r');
            match byte {
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => self.line.push(*byte),
            }
        }
        events
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let line = String::from_utf8(std::mem::take(&mut self.line)).expect("an event stream is UTF-8");
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" => self.retry = value.parse().ok().or(self.retry),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<SseEvent> {
        let (name, mut data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        data.pop()?;
        let name = if name.is_empty() { "message".to_owned() } else { name };
        Some(SseEvent { name, data, id: self.id.clone() })
    }
}

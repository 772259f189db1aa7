//! Readers that never read, beside those that do.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Reading};
use super::side::{Side, Transport};
use crate::http::Client;

/// Readers of each kind.
const READERS: usize = 100;
/// How long messages flow: the service cuts a reader off that took nothing for ten seconds.
const FLOW: Duration = Duration::from_secs(8);
/// Bytes of a message.
const TEXT_BYTES: usize = 20_000;

/// What readers that stopped cost the server in memory, and the others in messages.
pub(super) fn run(binary: &Path) -> io::Result<()> {
    println!(
        "\n## Slow consumers: {READERS} subscribers that never read, beside {READERS} that do; {TEXT_BYTES} B, 50 messages/s for {} s\n",
        FLOW.as_secs()
    );
    println!(
        "| | without them: µs per message | resident MiB more | with them: µs | MiB more | messages lost by the others |\n|---|--:|--:|--:|--:|--:|"
    );
    for transport in [Transport::Sse, Transport::WebSocket] {
        for side in [Side::rillmark(binary, &[])?, Side::bare()?] {
            let without = flow(&side, transport, 0)?;
            let with = flow(&side, transport, READERS)?;
            println!(
                "| {} {transport:?} | {:.2} | {:.1} | {:.2} | {:.1} | {} |",
                side.name(),
                without.cpu_micros,
                without.memory,
                with.cpu_micros,
                with.memory,
                with.lost
            );
        }
    }
    Ok(())
}

struct Flow {
    cpu_micros: f64,
    memory: f64,
    lost: u64,
}

fn flow(side: &Side, transport: Transport, stopped: usize) -> io::Result<Flow> {
    let name = format!("slow-{transport:?}-{stopped}");
    let crowd =
        |n, reading| Crowd::connect(side.server.address, vec![side.subscribe(&name, transport); n], 64, reading);
    let (readers, _stopped) = (crowd(READERS, Reading::All)?, crowd(stopped, Reading::Nothing)?);
    let message = side.publish(&name, TEXT_BYTES, transport);
    let mut publisher = Client::connect(side.server.address)?;
    let (start, cpu, memory) = (Instant::now(), side.server.cpu_seconds(), side.server.memory());
    let (mut sent, mut most) = (0u32, memory);
    while start.elapsed() < FLOW {
        if let Some(early) = (Duration::from_millis(20) * sent).checked_sub(start.elapsed()) {
            std::thread::sleep(early);
        }
        publisher.send(&message)?;
        sent += 1;
        if sent.is_multiple_of(10) {
            most = most.max(side.server.memory());
        }
    }
    let expected = u64::from(sent) * READERS as u64;
    readers.wait_for(expected, Duration::from_secs(2));
    Ok(Flow {
        cpu_micros: (side.server.cpu_seconds() - cpu) * 1e6 / readers.marks() as f64,
        memory: (most - memory) as f64 / f64::from(1 << 20),
        lost: expected.saturating_sub(readers.marks()),
    })
}

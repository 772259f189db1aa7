//! The two servers, each a child of this process.

use super::client::KEY;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Clock ticks a second in `/proc`: fixed by Linux for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// A server that ends when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The service as it is deployed: API key, limits, metrics and access log on, each at its default but for the rate,
    /// which counts and never refuses.
    pub(crate) fn rillmark(binary: &Path, workers: usize) -> io::Result<Self> {
        let settings = [("RILLMARK_API_KEYS", KEY), ("RILLMARK_RENDER_RATE", "1000000")];
        Self::rillmark_with(binary, workers, &settings)
    }

    /// The service with these settings.
    pub(crate) fn rillmark_with(binary: &Path, workers: usize, settings: &[(&str, &str)]) -> io::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.env_clear().env("RILLMARK_LISTEN", address.to_string());
        command.env("RILLMARK_WORKERS", workers.to_string()).envs(settings.iter().copied());
        Self::start(command, address)
    }

    /// A server of this program's own, by the name of its command.
    pub(crate) fn own(name: &str, workers: usize) -> io::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args([name, &address.to_string(), &workers.to_string()]);
        Self::start(command, address)
    }

    fn start(mut command: Command, address: SocketAddr) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut server = Self { child, address };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > deadline || server.child.try_wait()?.is_some() {
                return Err(io::Error::other(format!("{command:?} does not listen on {address}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// CPU seconds that the process has used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // Behind the name in brackets: field 3 is the state, 14 and 15 are user and system time.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// The memory that the process holds, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        crate::measure::memory_of(&self.child.id().to_string())
    }

    /// The most memory that the process has held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        crate::measure::peak_memory_of(&self.child.id().to_string())
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

//! `rillmark healthcheck`: asks the service that has these settings how it is, for containers that hold no `curl`.
//!
//! **Source:** RFC 9112 §3 and §4 (a request without body, the status line of its answer).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::arguments::hidden_setting_args;
use super::{Failure, checked, out};
use crate::config::Settings;
use crate::server::Listen;

/// Longest status line that is read, in bytes.
const STATUS_LINE_BYTES_MAX: usize = 1024;

pub(super) fn command() -> Command {
    let ready = Arg::new("ready").long("ready").action(ArgAction::SetTrue);
    let timeout = Arg::new("timeout").long("timeout").value_name("SECONDS").default_value("2");
    Command::new("healthcheck")
        .about("Ask the service that has these settings whether it lives; exit code 0 or 1")
        .after_help(
            "It asks at the first place of `listen`, as variables, the settings file or flags say: the same that the \
             service was started with. Takes the flags of all settings, as `rillmark --help` lists them.",
        )
        .arg(ready.help("Ask /readyz instead of /healthz: whether it takes requests"))
        .arg(timeout.value_parser(value_parser!(u64).range(1..=3600)).help("How long it may take"))
        .args(hidden_setting_args())
}

pub(super) fn run(matches: &ArgMatches, settings: &Settings) -> Result<ExitCode, Failure> {
    let config = checked(settings)?;
    let listen = config.options.server.listen.first().expect("checked settings listen somewhere");
    let path = if matches.get_flag("ready") { "/readyz" } else { "/healthz" };
    let seconds = matches.get_one::<u64>("timeout").copied().expect("it has a default");
    let status = ask(listen, path, Duration::from_secs(seconds));
    match status {
        Ok(200) => Ok(out::say("ok\n")),
        Ok(status) => Err(Failure::Other(format!("{path} at {listen} answered {status}"))),
        Err(error) => Err(Failure::Other(format!("{path} at {listen} did not answer: {error}"))),
    }
}

/// The status that `path` at `listen` answers with, within `timeout` all in all.
fn ask(listen: &Listen, path: &str, timeout: Duration) -> io::Result<u16> {
    let deadline = Instant::now() + timeout;
    match listen {
        Listen::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), timeout)?;
            exchange(&stream, path, || {
                let left = left(deadline)?;
                stream.set_write_timeout(Some(left)).and_then(|()| stream.set_read_timeout(Some(left)))
            })
        }
        Listen::Unix(socket) => {
            let stream = UnixStream::connect(socket)?;
            exchange(&stream, path, || {
                let left = left(deadline)?;
                stream.set_write_timeout(Some(left)).and_then(|()| stream.set_read_timeout(Some(left)))
            })
        }
    }
}

/// Who listens on all addresses is reached by loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What is left of the time; a socket takes no timeout of zero.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// Sends the request and reads the status line. `arm` sets the socket's timeouts to what is left, before each step.
fn exchange(mut stream: impl Read + Write, path: &str, arm: impl Fn() -> io::Result<()>) -> io::Result<u16> {
    arm()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut line = Vec::new();
    let mut chunk = [0; 256];
    while !line.contains(&b'\n') && line.len() < STATUS_LINE_BYTES_MAX {
        arm()?;
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => line.extend_from_slice(&chunk[..n]),
            // A timeout reads as "would block" on some systems: say what it is.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
            Err(error) => return Err(error),
        }
    }
    status_of(&line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "that is no HTTP"))
}

fn status_of(line: &[u8]) -> Option<u16> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_its_line() {
        for (line, status) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", Some(200)),
            ("HTTP/1.0 503\n", Some(503)),
            ("SSH-2.0-OpenSSH_9.2\r\n", None),
            ("HTTP/1.1\r\n200", None),
            ("", None),
        ] {
            assert_eq!(status_of(line.as_bytes()), status, "{line:?}");
        }
    }

    #[test]
    fn all_addresses_are_reached_by_loopback() {
        for (listen, reached) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("192.0.2.1:80", "192.0.2.1:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), reached);
        }
    }

    #[test]
    fn a_service_that_says_nothing_is_given_up_on_in_time() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = Listen::Tcp(silent.local_addr().unwrap());
        let error = ask(&listen, "/healthz", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

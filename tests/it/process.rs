//! The service as a process: what it says when it starts, that it answers, and how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a test waits for what must come: long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A service started as its own process; killed at the end if it still runs.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("rillmark"));
        command.args(arguments);
        Self::run(command, variables)
    }

    fn run(mut command: Command, variables: &[(&str, &str)]) -> Self {
        command.env_clear().envs(variables.iter().copied()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next log line with this message.
    fn line(&mut self, message: &str) -> Value {
        let mut seen = String::new();
        loop {
            let from = seen.len();
            assert!(self.lines.read_line(&mut seen).unwrap() > 0, "no line says {message:?}: {seen}");
            let line: Value = serde_json::from_str(&seen[from..]).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the process does not end");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn healthcheck(listen: &str, ready: bool) -> Option<i32> {
    let mut command = assert_cmd::Command::cargo_bin("rillmark").unwrap();
    command.env_clear().args(["healthcheck", "--timeout", "20", "--listen", listen]);
    if ready {
        command.arg("--ready");
    }
    command.output().unwrap().status.code()
}

/// The id that a client was told finds its line, also where there never was a request.
#[test]
fn a_refusal_without_a_request_is_in_the_log() {
    let variables = [("RILLMARK_LISTEN", "127.0.0.1:0"), ("RILLMARK_WORKERS", "1")];
    let mut process = Process::start(&[], &variables);
    let address = process.line("listening")["address"].as_str().unwrap().to_owned();
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(b"nonsense\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    process.signal("TERM"); // Its log ends, whatever it says.
    let line = process.line("refused without a request");
    let (id, peer) = (line["request_id"].as_str().unwrap(), line["peer"].as_str().unwrap());
    assert!(answer.contains(&format!("x-request-id: {id}\r\n")), "{answer}");
    assert_eq!((&line["problem"], peer), (&"invalid-header".into(), "127.0.0.1"));
}

#[tokio::test]
async fn it_says_where_it_listens_answers_and_ends_at_sigterm() {
    let variables = [("RILLMARK_LISTEN", "127.0.0.1:0"), ("RILLMARK_URL", "http://x"), ("RILLMARK_WORKERS", "1")];
    let mut process = Process::start(&["--drain-seconds=2"], &variables);
    assert_eq!(process.line("there is no such variable")["setting"], "RILLMARK_URL");
    let listening = process.line("listening");
    assert_eq!(listening["api_keys"], 0);
    let address = listening["address"].as_str().unwrap().to_owned();

    let request = reqwest::Client::new().post(format!("http://{address}/render")).json(&serde_json::json!({
        "source": "**hi** <script>", "options": { "provisional": false }
    }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["html"], "<p><strong>hi</strong> &lt;script&gt;</p>\n");
    assert_eq!((healthcheck(&address, false), healthcheck(&address, true)), (Some(0), Some(0)));

    process.signal("TERM");
    assert_eq!(process.line("told to stop")["signal"], "SIGTERM");
    assert_eq!(process.exit_code(), Some(0));
    assert_eq!(healthcheck(&address, false), Some(1));
}

/// Without the warning, connections would fail at the kernel's limit and nobody would know why.
#[cfg(target_os = "linux")]
#[test]
fn too_few_open_files_for_all_connections_are_told() {
    let start = |connections_max: &str| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "ulimit -n 512; exec \"$0\" --listen=127.0.0.1:0 --workers=1 --connections-max=\"$1\""]);
        command.arg(assert_cmd::cargo::cargo_bin("rillmark")).arg(connections_max);
        Process::run(command, &[])
    };
    let mut tight = start("400");
    let warning = tight.line("fewer files may be open than connections_max needs: raise ulimit -n");
    assert_eq!((&warning["open_files_max"], &warning["needed"]), (&512.into(), &656.into()));
    let mut ample = start("256");
    ample.line("listening");
    ample.signal("TERM");
    let mut rest = String::new();
    ample.lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("drained") && !rest.contains("fewer files"), "{rest}");
}

#[tokio::test]
async fn sigint_ends_it_as_well() {
    let mut process = Process::start(&["--listen=127.0.0.1:0", "--workers=1"], &[]);
    process.line("listening");
    process.signal("INT");
    assert_eq!(process.exit_code(), Some(0));
}

#[tokio::test]
async fn internal_and_unix_listeners_are_told_and_reached() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("unix:{}", folder.path().join("rillmark.sock").display());
    let variables = [("RILLMARK_LISTEN", socket.as_str()), ("RILLMARK_INTERNAL_LISTEN", "127.0.0.1:0")];
    let mut process = Process::start(&["--workers=1"], &variables);
    assert_eq!(process.line("listening")["address"], socket);
    assert!(process.line("listening for internal requests")["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(healthcheck(&socket, true), Some(0));
    process.signal("TERM");
    assert_eq!(process.exit_code(), Some(0));
    assert!(!folder.path().join("rillmark.sock").exists());
}

#[test]
fn a_place_that_is_taken_ends_it_with_1_and_wrong_settings_with_78() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = assert_cmd::Command::cargo_bin("rillmark").unwrap();
    let output = command.env_clear().args(["--listen", &address]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&address), "{told}");
    let mut command = assert_cmd::Command::cargo_bin("rillmark").unwrap();
    let output = command.env_clear().env("PORT", "8700").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("PORT: 0.0.0.0:8700 can be reached from other machines")
    );
    assert_eq!(output.stdout, b"");
}

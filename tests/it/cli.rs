//! The binary from outside: its help, its exit codes, what it prints and what it keeps to itself.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::{Output, Stdio};
use std::thread;

use assert_cmd::Command;
use rillmark::auth::{Action, Tokens};
use rillmark::config::SETTINGS;
use rillmark::markdown::options::OPTIONS;

/// The binary with an empty environment.
fn rillmark(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("rillmark").unwrap();
    command.env_clear().args(arguments);
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs and checks the exit code.
fn run(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
    output
}

#[test]
fn help_lists_every_setting() {
    for option in ["--help", "-h"] {
        let output = run(&mut rillmark(&[option]), 0);
        let help = stdout(&output);
        for setting in SETTINGS {
            assert!(help.contains(&format!("--{}", setting.flag())), "{option}: {}", setting.name);
            let variable = format!("[env: {}]", setting.variable());
            assert_eq!(help.contains(&variable), option == "--help", "{option}: {variable}");
        }
        for word in
            ["render", "config", "healthcheck", "openapi", "--api-keys-file", "--config", "Exit codes", "Limits:"]
        {
            assert!(help.contains(word), "{option}: {word}");
        }
    }
    assert_eq!(stdout(&run(&mut rillmark(&["--version"]), 0)), concat!("rillmark ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_wrong_command_line_is_usage_and_names_what_was_meant() {
    let output = run(&mut rillmark(&["config", "check", "--lisen", "x"]), 2);
    assert!(stderr(&output).contains("--lisen"), "{}", stderr(&output));
    let output = run(&mut rillmark(&["--render-rat=5"]), 2);
    assert!(stderr(&output).contains("--render-rate"), "{}", stderr(&output));
    run(&mut rillmark(&["serve-me"]), 2);
    run(&mut rillmark(&["config"]), 2);
    run(&mut rillmark(&["config", "print", "--format", "xml"]), 2);
}

#[test]
fn check_tells_all_mistakes_together_with_78() {
    let mut command = rillmark(&["config", "check", "--workers", "none"]);
    command.env("RILLMARK_LISTEN", "0.0.0.0:8700").env("RILLMARK_RENDER_RATE", "fast").env("RILLMARK_API_KYES", "x");
    let output = run(&mut command, 78);
    assert_eq!(stdout(&output), "");
    let told: Vec<&str> = stderr(&output).lines().collect();
    assert_eq!(told[0], "rillmark: 4 mistakes in the settings:");
    for name in ["--workers: expected", "RILLMARK_LISTEN: ", "RILLMARK_RENDER_RATE: expected", "RILLMARK_API_KYES: "] {
        let line = told.iter().find(|line| line.trim_start().starts_with(name));
        assert!(line.is_some_and(|line| line.len() > name.len() + 10), "{name} in {told:?}");
    }
}

#[test]
fn check_says_what_would_listen_where() {
    let output = run(&mut rillmark(&["config", "check"]), 0);
    assert_eq!(
        stdout(&output),
        "ok\nlistens at 127.0.0.1:8700\nno API keys and no token secrets: serves this machine only\n"
    );
    let mut command = rillmark(&["config", "check", "--internal-listen", "unix:/run/internal.sock"]);
    command.env("PORT", "80").env("RILLMARK_API_KEYS", "0123456789abcdef,fedcba9876543210");
    command.env("RILLMARK_TOKEN_SECRET", "0123456789abcdef0123456789abcdef");
    let output = run(command.env("RILLMARK_URL", "http://127.0.0.1"), 0);
    assert_eq!(
        stdout(&output),
        "ok\nlistens at 0.0.0.0:80\nlistens at unix:/run/internal.sock (internal)\n2 API keys\n1 token secret\n"
    );
    assert_eq!(stderr(&output), "rillmark: warning: RILLMARK_URL: there is no such variable\n");
}

#[test]
fn token_signs_what_it_is_told_with_the_first_secret() {
    let (first, second) = ("correct-horse-battery-staple-0123", "an-older-secret-that-still-opens-things");
    let secrets = format!("{first},{second}");
    let mut command = rillmark(&["token", "--subscribe", "chat-42,u7-*", "--cancel", "chat-42", "--ttl", "90s"]);
    command.args(["--until", "8h", "--sub", "u7"]).env("RILLMARK_TOKEN_SECRET", &secrets);
    let output = run(&mut command, 0);
    let token = stdout(&output).trim_end();
    let now = std::time::SystemTime::now();
    let grant = Tokens::new(&[first.into()], "rillmark").read(token, now).unwrap();
    for (action, channel, expected) in [
        (Action::Subscribe, "chat-42", true),
        (Action::Subscribe, "u7-inbox", true),
        (Action::Cancel, "chat-42", true),
        (Action::Cancel, "u7-inbox", false),
        (Action::Publish, "chat-42", false),
    ] {
        assert_eq!(grant.allows(action, channel), expected, "{action:?} {channel}");
    }
    assert_eq!(grant.subject.as_deref(), Some("u7"));
    let seconds = |time: std::time::SystemTime| time.duration_since(now).unwrap().as_secs();
    assert!((60..=90).contains(&seconds(grant.expires)) && (28_700..=28_800).contains(&seconds(grant.until)));
    assert!(Tokens::new(&[second.into()], "rillmark").read(token, now).is_err(), "the first one signs");
    let mut command = rillmark(&["token", "--publish", "a", "--token-secret", second, "--token-audience", "mine"]);
    let output = run(&mut command, 0);
    assert!(Tokens::new(&[second.into()], "mine").read(stdout(&output).trim_end(), now).is_ok());
}

#[test]
fn token_says_what_it_lacks() {
    let without_secret = run(&mut rillmark(&["token", "--subscribe", "a"]), 78);
    assert!(stderr(&without_secret).contains("RILLMARK_TOKEN_SECRET: expected a secret to sign with"));
    let mut command = rillmark(&["token", "--subscribe", "a"]);
    run(command.env("RILLMARK_TOKEN_SECRET", "too-short"), 78);
    for wrong in [
        &["token"][..],
        &["token", "--ttl", "1h"],
        &["token", "--subscribe", "a*b"],
        &["token", "--subscribe", "a", "--ttl", "1"],
        &["token", "--subscribe", "a", "--until", "tomorrow"],
        &["token", "--subscribe", "a", "--sub", ""],
    ] {
        let output = run(rillmark(wrong).env("RILLMARK_TOKEN_SECRET", "correct-horse-battery-staple-0123"), 2);
        assert_eq!(stdout(&output), "", "{wrong:?}");
    }
}

#[test]
fn print_shows_every_setting_with_its_origin_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (file, keys) = (folder.path().join("rillmark.toml"), folder.path().join("keys"));
    fs::write(&file, "render_rate = 3\nburst_seconds = 4\nworkers = 1\n").unwrap();
    fs::write(&keys, "a-key-that-nobody-sees\n").unwrap();
    for format in ["toml", "env", "json"] {
        let mut command = rillmark(&["--burst-seconds", "5", "config", "print", "--format", format, "--workers=2"]);
        command.env("RILLMARK_CONFIG", &file).env("RILLMARK_API_KEYS_FILE", &keys).env("RILLMARK_RENDER_RATE", "");
        let output = run(&mut command, 0);
        let text = stdout(&output);
        assert!(!text.contains("nobody-sees"), "{text}");
        for origin in ["--burst-seconds", "--workers", "RILLMARK_API_KEYS_FILE", "render_rate in /", "default"] {
            assert!(text.contains(origin), "{origin} in {text}");
        }
        for setting in SETTINGS {
            assert!(text.contains(setting.name) || text.contains(&setting.variable()), "{}", setting.name);
        }
    }
    let mut command = rillmark(&["config", "print"]);
    let printed = run(command.env("RILLMARK_API_KEYS", "short"), 78);
    assert!(!stderr(&printed).contains("short"), "{}", stderr(&printed));
}

#[test]
fn render_reads_standard_input_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.md");
    fs::write(&file, "# Hi\n\n<b>").unwrap();
    let expected = "<h1>Hi</h1>\n<p>&lt;b&gt;</p>\n";
    assert_eq!(stdout(&run(&mut rillmark(&["render", file.to_str().unwrap()]), 0)), expected);
    for arguments in [&["render"][..], &["render", "-"]] {
        assert_eq!(stdout(&run(rillmark(arguments).write_stdin("# Hi\n\n<b>"), 0)), expected);
    }
    assert_eq!(stdout(&run(rillmark(&["render"]).write_stdin(&b"a\xffb"[..]), 0)), "<p>a\u{fffd}b</p>\n");
    assert_eq!(stdout(&run(rillmark(&["render"]).write_stdin(""), 0)), "");
}

#[test]
fn render_takes_every_option_and_the_policy() {
    let output = run(&mut rillmark(&["render", "--help"]), 0);
    for spec in OPTIONS {
        assert!(stdout(&output).contains(&format!("--{}", spec.name.replace('_', "-"))), "{}", spec.name);
    }
    let check = |arguments: &[&str], source: &str, expected: &str| {
        let output = run(rillmark(&[&["render"], arguments].concat()).write_stdin(source), 0);
        assert_eq!(stdout(&output), expected, "{arguments:?}");
    };
    check(&["--provisional"], "a\n\n**b", "<p>a</p>\n<p class=\"djust-md-provisional\">**b</p>");
    check(&["--provisional", "--tail=complete", "--dense"], "a\n\n**b", "<p>a</p><p><strong>b</strong></p>");
    check(&["--strikethrough=false"], "~~a~~", "<p>~~a~~</p>\n");
    check(&["--strikethrough"], "~~a~~", "<p><del>a</del></p>\n");
    check(&["--dense", "--heading-ids", "--id-prefix", "r1-"], "# A", "<h1 id=\"user-content-r1-a\">A</h1>");
    check(
        &["--link-rel", "nofollow ugc"],
        "[a](http://b/)",
        "<p><a href=\"http://b/\" rel=\"nofollow ugc\">a</a></p>\n",
    );
    check(&["--url-schemes", "https"], "[a](http://b/)", "<p><a href=\"#\">a</a></p>\n");
    check(&["--image-prefixes=/m/"], "![a](/x)", "<p><span class=\"rillmark-image\">a</span></p>\n");
    run(rillmark(&["render", "--link-rel", "stylesheet"]).write_stdin(""), 1);
    run(rillmark(&["render", "--tables=maybe"]).write_stdin(""), 1);
    run(rillmark(&["render", "--tail", "Escape"]).write_stdin(""), 2);
    run(rillmark(&["render", "--url-schemes", "javascript"]).write_stdin(""), 78);
    // Settings that have no say in a render do not stop it.
    run(rillmark(&["render"]).env("PORT", "80").write_stdin(""), 0);
}

#[test]
fn openapi_prints_the_document() {
    assert_eq!(stdout(&run(&mut rillmark(&["openapi"]), 0)), rillmark::http::OPENAPI_DOCUMENT.as_str());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = run(&mut rillmark(&["render", "/nonexistent/a.md"]), 1);
    assert_eq!(stdout(&output), "");
    let told = stderr(&output);
    assert!(told.starts_with("rillmark: cannot read /nonexistent/a.md: No such file"), "{told}");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let binary = assert_cmd::cargo::cargo_bin("rillmark");
    for arguments in [&["render"][..], &["config", "print"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(&binary);
        command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(writer).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // What does not read its input may be gone before it is written.
        let _ = input.write_all(&b"text\n".repeat(50_000));
        drop(input);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{arguments:?}");
    }
}

/// Answers one request with `answer` and gives back the request.
fn answer_once<S: std::io::Read + std::io::Write>(mut stream: S, answer: &str) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
        request.push(byte[0]);
    }
    stream.write_all(answer.as_bytes()).unwrap();
    String::from_utf8(request).unwrap()
}

#[test]
fn healthcheck_goes_by_the_answer() {
    for (flag, path, answer, code) in [
        (&[][..], "/healthz", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", 0),
        (&["--ready"], "/readyz", "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n", 1),
        (&[], "/healthz", "220 mail.example ESMTP\r\n", 1),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = listener.local_addr().unwrap().to_string();
        let served = thread::spawn(move || answer_once(listener.accept().unwrap().0, answer));
        run(rillmark(&[&["healthcheck"], flag].concat()).env("RILLMARK_LISTEN", &listen), code);
        let request = served.join().unwrap();
        assert!(request.starts_with(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n")), "{request}");
    }
}

#[test]
fn healthcheck_asks_unix_sockets_too_and_says_what_did_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("rillmark.sock");
    let listen = format!("unix:{}", socket.display());
    let output = run(&mut rillmark(&["healthcheck", "--listen", &listen]), 1);
    assert!(stderr(&output).contains(&format!("/healthz at {listen} did not answer: ")), "{}", stderr(&output));
    let listener = UnixListener::bind(&socket).unwrap();
    let served = thread::spawn(move || answer_once(listener.accept().unwrap().0, "HTTP/1.1 200 OK\r\n\r\n"));
    assert_eq!(stdout(&run(&mut rillmark(&["healthcheck", "--listen", &listen]), 0)), "ok\n");
    served.join().unwrap();
}

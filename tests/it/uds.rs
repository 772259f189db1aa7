//! Unix sockets: their mode, stale and live files, the file's end, and who is on the other side.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rillmark::server::{Listen, Options, Server};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::helpers::{PATIENCE, TestApp, spawn_app_with};

fn spawn_at(path: &Path) -> TestApp {
    spawn_app_with(|options| {
        options.server.listen = vec![Listen::Unix(path.to_owned())];
        options.server.unix_mode = 0o600;
    })
}

fn bind(path: &Path) -> Result<Server, String> {
    let mut options = Options::default();
    options.server.listen = vec![Listen::Unix(path.to_owned())];
    Server::bind(options).map_err(|error| error.to_string())
}

async fn ask(path: &Path) -> String {
    let mut socket = UnixStream::connect(path).await.unwrap();
    socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: anything\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rillmark.sock");
    (folder, path)
}

#[tokio::test]
async fn a_unix_socket_serves_with_its_mode_and_goes_with_the_service() {
    let (folder, path) = folder();
    let mut app = spawn_at(&path);
    assert_eq!(app.listens, [Listen::Unix(path.clone())]);
    assert!(ask(&path).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.path().read_dir().unwrap().count(), 1, "nothing beside it");
    timeout(PATIENCE, app.stop()).await.unwrap().unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let (_folder, path) = folder();
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "what a killed process leaves");
    let _app = spawn_at(&path);
    assert!(ask(&path).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_live_socket_is_not_taken_over() {
    let (_folder, path) = folder();
    let _app = spawn_at(&path);
    let told = bind(&path).err().unwrap();
    assert!(told.contains("another process listens there") && told.contains("rillmark.sock"), "{told}");
    assert!(ask(&path).await.starts_with("HTTP/1.1 200 "));
}

/// A service that is too busy to accept is alive; asking it must not hang.
#[test]
fn a_live_socket_whose_queue_is_full_is_not_taken_over() {
    let (_folder, path) = folder();
    let new = || Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let address = SockAddr::unix(&path).unwrap();
    let busy = new();
    busy.bind(&address).unwrap();
    busy.listen(0).unwrap();
    let mut waiting = Vec::new();
    let full = loop {
        let socket = new();
        socket.set_nonblocking(true).unwrap();
        match socket.connect(&address) {
            Ok(()) => waiting.push(socket),
            Err(error) => break error,
        }
        assert!(waiting.len() < 100);
    };
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(bind(&path).err()));
    let told = told.recv_timeout(PATIENCE).expect("it does not wait for the other").unwrap();
    assert!(told.contains("another process listens there"), "{told}");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let (_folder, path) = folder();
    std::fs::write(&path, "precious").unwrap();
    assert!(bind(&path).err().unwrap().contains("no socket"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_socket_that_another_has_put_in_its_place_is_not_removed() {
    let (_folder, path) = folder();
    let mut app = spawn_at(&path);
    std::fs::remove_file(&path).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    timeout(PATIENCE, app.stop()).await.unwrap().unwrap().unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn an_address_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = Options::default();
    options.server.listen = vec![Listen::Tcp(taken.local_addr().unwrap())];
    let told = Server::bind(options).err().unwrap().to_string();
    assert!(told.contains(&taken.local_addr().unwrap().to_string()), "{told}");
}

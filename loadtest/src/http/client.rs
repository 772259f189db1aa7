//! A client that costs little beside what it measures: one blocking connection, requests made ahead, answers read by
//! their length.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The key that the service under test is started with.
pub(crate) const KEY: &str = "loadtest-0123456789abcdef";

/// A request as it goes over the wire.
pub(crate) fn post(path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\naccept: application/json\r\n\
         content-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes()
}

/// One kept connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, buffer: vec![0; 64 * 1024] })
    }

    /// Sends `request` and reads the whole answer. Returns its status and the bytes of its body.
    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<(u16, usize)> {
        let mut length = 0;
        let status = self.exchange(request, |part| length += part.len())?;
        Ok((status, length))
    }

    /// The same, and returns the body.
    pub(crate) fn text(&mut self, request: &[u8]) -> io::Result<String> {
        let mut body = Vec::new();
        self.exchange(request, |part| body.extend_from_slice(part))?;
        String::from_utf8(body).map_err(io::Error::other)
    }

    /// Sends `request`, hands on the parts of the answer's body and returns its status.
    fn exchange(&mut self, request: &[u8], mut part: impl FnMut(&[u8])) -> io::Result<u16> {
        self.stream.write_all(request)?;
        let mut filled = 0;
        let (head, status, length) = loop {
            filled += self.read(filled)?;
            if let Some(end) = find(&self.buffer[..filled], b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]);
                let status = status(&head)?;
                break (end + 4, status, if status == 204 { 0 } else { content_length(&head)? });
            }
        };
        part(&self.buffer[head..filled.min(head + length)]);
        let mut left = (head + length).saturating_sub(filled);
        while left > 0 {
            let read = self.read(0)?.min(left);
            part(&self.buffer[..read]);
            left -= read;
        }
        Ok(status)
    }

    fn read(&mut self, from: usize) -> io::Result<usize> {
        match self.stream.read(&mut self.buffer[from..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn status(head: &str) -> io::Result<u16> {
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.ok_or_else(|| io::Error::other("an answer without a status"))
}

fn content_length(head: &str) -> io::Result<usize> {
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    value.ok_or_else(|| io::Error::other(format!("an answer without a length: {head}")))
}

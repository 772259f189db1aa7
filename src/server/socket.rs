//! Listening sockets: bound by us, so that Unix sockets have the right mode from their first moment.
//!
//! A Unix socket is bound under a name of its own beside the path, given its mode, and only then listens, so that nobody
//! can connect before, whatever the umask. Then it is renamed to the path: a stale file is replaced in one step, and only
//! if nobody listens at it (CWE-362). Of two services that start at one path in the same moment, the later may replace
//! the earlier, which has begun to listen after the later looked: then the earlier is reached by nobody.
//!
//! **Invariant:** a live socket is not taken over, a stale one is (`a_live_socket_is_not_taken_over`); none can be reached
//! before it has its mode (`a_socket_that_does_not_listen_yet_has_its_mode_and_refuses`).
//! **Source:** unix(7); rename(2).

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::listen::Listen;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket; removed when dropped, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Why a place could not be listened at.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at {listen}: {cause}")]
pub struct BindError {
    /// The place.
    pub listen: Listen,
    /// What the system said.
    #[source]
    pub cause: io::Error,
}

impl Bound {
    /// Binds one place.
    pub(super) fn new(listen: &Listen, unix_mode: u32) -> Result<Self, BindError> {
        let bound = match listen {
            Listen::Tcp(address) => bind_tcp(*address).map(Self::Tcp),
            Listen::Unix(path) => bind_unix(path, unix_mode).map(|(listener, file)| Self::Unix(listener, file)),
        };
        bound.map_err(|cause| BindError { listen: listen.clone(), cause })
    }

    /// Where it listens, with the port the system chose.
    pub(super) fn local(&self) -> Listen {
        match self {
            Self::Tcp(listener) => Listen::Tcp(listener.local_addr().expect("a bound socket has an address")),
            Self::Unix(_, file) => Listen::Unix(file.path.clone()),
        }
    }
}

fn bind_tcp(address: std::net::SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted service may take its port while old connections still fade.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    refuse_live(path)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let fresh = path.with_file_name(name);
    let _ = fs::remove_file(&fresh); // Left by a process of the same id that was killed.
    let placed = bind_with_mode(&fresh, mode).and_then(|socket| {
        socket.listen(BACKLOG)?;
        let inode = fs::symlink_metadata(&fresh)?.ino();
        fs::rename(&fresh, path)?;
        Ok((socket.into(), SocketFile { path: path.to_owned(), inode }))
    });
    if placed.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    placed
}

/// A socket whose file has its mode, and that does not listen yet: whoever connects is refused.
fn bind_with_mode(path: &Path, mode: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(socket)
}

/// Fails unless the path is free, or holds a socket at which nobody listens.
fn refuse_live(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // One that does not accept at the moment would block us; it would be listening all the same.
    socket.set_nonblocking(true)?;
    let live = || Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there"));
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => live(),
        Err(error) => Err(error),
        Ok(()) => live(),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_that_does_not_listen_yet_has_its_mode_and_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let socket = bind_with_mode(&path, 0o640).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        socket.listen(1).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
    }
}

//! Listeners that the process was started with.
//!
//! Whoever starts a process may open its sockets and hand them over, by the protocol of systemd's
//! socket activation (`sd_listen_fds(3)`): `LISTEN_FDS` tells how many there are, and they are the
//! descriptors from 3 on. `LISTEN_PID`, if it is set, must be this process. A listener goes to the
//! server that is bound to its address, the public one as well as the one for operators; so there
//! is nothing to configure but the addresses, and in a process of several services each gets its
//! own. A server whose address is not among them opens its port itself.
//!
//! A socket that is held by its starter is open before the process is, and stays open after it. That
//! is how one process takes over from another without refusing a connection: both have the socket,
//! and the system gives each connection to one of them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{LazyLock, Mutex, PoisonError};

use listenfd::ListenFd;

/// What is left to be taken. Descriptors belong to the process and not to a service in it, and each
/// may have one owner only: this is the one static of this crate.
static LEFT: LazyLock<Mutex<Vec<TcpListener>>> = LazyLock::new(|| Mutex::new(all()));

/// Takes the listener for this address, if the process was started with one.
pub(crate) fn take(address: SocketAddr) -> io::Result<Option<TcpListener>> {
    let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(listener) = take_from(&mut left, address) else {
        return Ok(None);
    };
    // It is one flag for all processes that share the socket; the runtime needs it.
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}

fn all() -> Vec<TcpListener> {
    let mut handed_over = ListenFd::from_env();
    (0..handed_over.len())
        .filter_map(|index| match handed_over.take_tcp_listener(index) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(index, %error, "was started with something that is no listener");
                None
            }
        })
        .collect()
}

fn take_from(left: &mut Vec<TcpListener>, address: SocketAddr) -> Option<TcpListener> {
    let position = left
        .iter()
        .position(|listener| listener.local_addr().is_ok_and(|bound| bound == address))?;
    Some(left.swap_remove(position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::loopback;

    #[test]
    fn a_listener_goes_to_its_address_and_only_once() {
        let mut left: Vec<_> = (0..3)
            .map(|_| TcpListener::bind(loopback(0)).unwrap())
            .collect();
        let wanted = left[1].local_addr().unwrap();
        let taken = take_from(&mut left, wanted).unwrap();
        assert_eq!(taken.local_addr().unwrap(), wanted);
        assert!(take_from(&mut left, wanted).is_none());
        assert!(take_from(&mut left, loopback(0)).is_none());
        assert_eq!(left.len(), 2);
    }
}

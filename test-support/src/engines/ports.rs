use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

/// Not among the ports that systems give to outgoing connections: an engine that is killed must
/// find its port free when it comes back.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A loopback port that nobody listens on, and that no other test program is given while this one
/// runs, although nobody may listen on it for a while.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different places.
    let offset = std::process::id().wrapping_mul(127) % u32::from(COUNT);
    let offset = u16::try_from(offset).expect("less than COUNT");
    (0..COUNT)
        .map(|_| {
            let next = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
            FIRST + (offset + next) % COUNT
        })
        .find(|port| reserve(*port) && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("some port is free")
}

/// Keeps the port for this program until it ends, however it ends: the system lifts the locks of
/// files whose program is gone.
fn reserve(port: u16) -> bool {
    static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = folder();
    let file = std::fs::create_dir_all(&folder).and_then(|()| {
        let path = folder.join(port.to_string());
        File::options().create(true).append(true).open(path)
    });
    let file = file.unwrap_or_else(|error| panic!("writing to {}: {error}", folder.display()));
    let is_mine = file.try_lock().is_ok();
    if is_mine {
        let mut reserved = RESERVED.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.push(file);
    }
    is_mine
}

/// One for each user, who may not write to that of another.
fn folder() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("flixtube-test-ports-{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_once() {
        let ports: std::collections::HashSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn a_port_stays_with_the_program_that_was_given_it() {
        let port = free_port();
        // As another program would try: by a file handle of its own.
        assert!(!reserve(port));
    }
}

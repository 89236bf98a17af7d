//! What stands before the replicas of a service, as a load balancer or a Kubernetes `Service` does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use service_kit::settings::loopback;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Hands each connection to the next replica that takes it. Connections break when this is dropped.
#[derive(Debug)]
pub(crate) struct Balancer {
    address: SocketAddr,
    _running: JoinSet<()>,
}

impl Balancer {
    /// Begins to listen for these replicas, which need not be there.
    pub(crate) fn before(replicas: Vec<SocketAddr>) -> Self {
        let listener = std::net::TcpListener::bind(loopback(0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let mut running = JoinSet::new();
        running.spawn(accept(listener, replicas.into()));
        Self {
            address,
            _running: running,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, replicas: Arc<[SocketAddr]>) {
    let turn = Arc::new(AtomicUsize::new(0));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (near, _) = accepted.unwrap();
                connections.spawn(relay(near, Arc::clone(&replicas), Arc::clone(&turn)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn relay(mut near: TcpStream, replicas: Arc<[SocketAddr]>, turn: Arc<AtomicUsize>) {
    for _ in 0..replicas.len() {
        let next = turn.fetch_add(1, Ordering::Relaxed) % replicas.len();
        if let Ok(mut far) = TcpStream::connect(replicas[next]).await {
            // Both ends are told by the closing of what is dropped here.
            let _ = near.set_nodelay(true).and_then(|()| far.set_nodelay(true));
            let _ = copy_bidirectional(&mut near, &mut far).await;
            return;
        }
    }
}

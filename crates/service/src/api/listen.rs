//! Connections: so many at one time, each with a bounded patience for a request's head.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use tokio_io_timeout::TimeoutStream;

use crate::stopped;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// So many at one time; the next ones wait to be taken.
    connections: usize,
    /// How long the head of a request may take, and a connection that asks for nothing stays open.
    head: Duration,
    /// How long whoever asked may read nothing of the answer.
    write: Duration,
}

const LIMITS: Limits =
    Limits { connections: 900, head: Duration::from_secs(15), write: Duration::from_secs(30) };

/// Serves until `stop` says so, and then what has been asked for.
pub(crate) async fn listen(listener: TcpListener, routes: Router, stop: watch::Receiver<bool>) {
    within(LIMITS, listener, routes, stop).await;
}

async fn within(
    limits: Limits,
    listener: TcpListener,
    routes: Router,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let connections = GracefulShutdown::new();
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.head);
    loop {
        let taken = tokio::select! {
            place = places.clone().acquire_owned() => match place {
                Ok(place) => tokio::select! {
                    taken = listener.accept() => taken.map(|(socket, _)| (socket, place)),
                    () = stopped(&mut stop) => break,
                },
                Err(_) => break,
            },
            () = stopped(&mut stop) => break,
        };
        let (socket, place) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                // Too many open files, for example: others have to be closed first.
                tracing::warn!(%error, "no connection taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Answers are small and awaited.
        let _ = socket.set_nodelay(true);
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(limits.write));
        let service = TowerToHyperService::new(routes.clone());
        let connection = server.serve_connection(TokioIo::new(Box::pin(socket)), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A client that goes away is no error of ours.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    connections.shutdown().await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    const ASKED: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    /// A server with one place, of an answer that fills every buffer on its way.
    async fn server() -> (std::net::SocketAddr, watch::Sender<bool>) {
        let limits = Limits {
            connections: 1,
            head: Duration::from_millis(300),
            write: Duration::from_millis(300),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = Router::new().route("/", get(|| async { vec![b'x'; 64 << 20] }));
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(within(limits, listener, routes, stopping));
        (address, stop)
    }

    async fn asked(address: std::net::SocketAddr) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.write_all(ASKED).await.expect("asked");
        socket
    }

    /// Whether an answer begins within a while.
    async fn answered(socket: &mut TcpStream, ms: u64) -> bool {
        let mut byte = [0];
        let read = timeout(Duration::from_millis(ms), socket.read_exact(&mut byte)).await;
        read.is_ok_and(|read| read.is_ok())
    }

    #[tokio::test]
    async fn who_reads_nothing_or_asks_nothing_loses_his_place() {
        let (address, _stop) = server().await;
        // One that reads on keeps it, and the next one waits.
        let mut reading = asked(address).await;
        assert!(answered(&mut reading, 5000).await);
        let mut next = asked(address).await;
        let mut part = vec![0; 1 << 20];
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            reading.read_exact(&mut part).await.expect("it goes on");
        }
        assert!(!answered(&mut next, 1).await);
        // From now on nobody reads, nor asks.
        assert!(answered(&mut next, 5000).await, "its place is free");
        let silent = TcpStream::connect(address).await.expect("a connection");
        drop(next);
        let mut last = asked(address).await;
        assert!(answered(&mut last, 5000).await, "so is the silent one's");
        drop(silent);
    }
}

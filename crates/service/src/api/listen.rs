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

/// Connections at one time; the next ones wait to be taken.
const CONNECTIONS: usize = 900;
/// How long the head of a request may take, and a connection that asks for nothing stays open.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// How long whoever asked may read nothing of the answer.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Serves until `stop` says so, and then what has been asked for.
pub(crate) async fn listen(listener: TcpListener, routes: Router, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = GracefulShutdown::new();
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
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
        socket.set_write_timeout(Some(WRITE_TIME));
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

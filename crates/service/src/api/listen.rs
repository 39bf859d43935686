//! Connections: so many at one time, each with a bounded patience for a request's head.
//!
//! Where there are too many, the one that has asked for nothing the longest makes room. If all of them
//! are being answered, who runs the service is answered still: some places are for operations alone.

use std::{sync::Arc, time::Duration};

use axum::{Router, http::StatusCode, response::IntoResponse};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_io_timeout::TimeoutStream;

use super::{
    problem::Problem,
    seats::{Answer, Place, Seats},
};
use crate::stopped;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// So many at one time.
    connections: usize,
    /// So many besides, which are answered about operations only.
    operations: usize,
    /// How long the head of a request may take, and a connection that asks for nothing stays open.
    head: Duration,
    /// How long whoever asked may read nothing of the answer.
    write: Duration,
    /// How long a connection may ask for nothing before it makes room where there is none.
    idle: Duration,
}

const LIMITS: Limits = Limits {
    connections: 850,
    operations: 50,
    head: Duration::from_secs(15),
    write: Duration::from_secs(30),
    idle: Duration::from_secs(1),
};

/// What is answered in the places for operations.
const OPERATIONS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// How long a connection in them may take over a request, and over reading the answer.
const BRIEF: Duration = Duration::from_secs(2);
/// How often room is looked for again, if nobody leaves.
const AGAIN: Duration = Duration::from_millis(100);

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
    let seats = Arc::new(Seats::new(limits.connections, limits.operations, limits.idle));
    let connections = GracefulShutdown::new();
    loop {
        let taken = async {
            let (socket, _) = listener.accept().await?;
            Ok::<_, std::io::Error>((socket, seats.place(AGAIN).await))
        };
        let taken = tokio::select! {
            taken = taken => taken,
            () = stopped(&mut stop) => break,
        };
        match taken {
            Ok((socket, place)) => serve(limits, socket, place, routes.clone(), &connections),
            Err(error) => {
                // Too many open files, for example: others have to be closed first.
                tracing::warn!(%error, "no connection taken");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Answers one connection, until it ends or has to make room.
fn serve(
    limits: Limits,
    socket: TcpStream,
    mut place: Place,
    routes: Router,
    connections: &GracefulShutdown,
) {
    let all = place.is_for_all();
    let patience = |usual: Duration| if all { usual } else { usual.min(BRIEF) };
    // Answers are small and awaited.
    let _ = socket.set_nodelay(true);
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(patience(limits.write)));
    let usage = place.usage();
    let socket = usage.clone().of(Box::pin(socket));
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let busy = usage.begin();
        let path = request.uri().path();
        let answer = (all || OPERATIONS.contains(&path)).then(|| routes.call(request));
        async move {
            let answer = match answer {
                Some(answer) => answer.await?,
                None => crowded().into_response(),
            };
            Ok::<_, std::convert::Infallible>(answer.map(|body| Answer::new(body, busy)))
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(patience(limits.head)).keep_alive(all);
    let connection = server.serve_connection(TokioIo::new(socket), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            // A client that goes away is no error of ours.
            _ = connection => {}
            () = place.wanted() => {}
        }
    });
}

/// What is answered where there is room for operations only.
fn crowded() -> Problem {
    let detail = "too many connections are being answered; try again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "crowded", detail).retry_after(2)
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

    fn asking(path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").into_bytes()
    }

    const LIMITS: Limits = Limits {
        connections: 1,
        operations: 0,
        head: Duration::from_millis(300),
        write: Duration::from_millis(300),
        idle: Duration::from_millis(50),
    };

    /// A server, one of whose answers fills every buffer on its way.
    async fn server(limits: Limits) -> (std::net::SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = Router::new()
            .route("/", get(|| async { vec![b'x'; 64 << 20] }))
            .route("/small", get(|| async { "small" }))
            .route("/healthz", get(|| async { "ok" }));
        let (stop, stopping) = watch::channel(false);
        tokio::spawn(within(limits, listener, routes, stopping));
        (address, stop)
    }

    async fn asked(address: std::net::SocketAddr, path: &str) -> TcpStream {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        socket.write_all(&asking(path)).await.expect("asked");
        socket
    }

    /// Whether an answer begins within a while.
    async fn answered(socket: &mut TcpStream, ms: u64) -> bool {
        let mut byte = [0];
        let read = timeout(Duration::from_millis(ms), socket.read_exact(&mut byte)).await;
        read.is_ok_and(|read| read.is_ok())
    }

    /// What is answered until the connection is closed.
    async fn text(mut socket: TcpStream) -> String {
        let mut all = String::new();
        let read = timeout(Duration::from_secs(5), socket.read_to_string(&mut all)).await;
        read.expect("it is closed").expect("a text");
        all
    }

    #[tokio::test]
    async fn who_reads_nothing_or_asks_nothing_loses_his_place() {
        let (address, _stop) = server(LIMITS).await;
        // One that reads on keeps it, and the next one waits.
        let mut reading = asked(address, "/").await;
        assert!(answered(&mut reading, 5000).await);
        let mut next = asked(address, "/").await;
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
        let mut last = asked(address, "/").await;
        assert!(answered(&mut last, 5000).await, "so is the silent one's");
        drop(silent);
    }

    #[tokio::test]
    async fn who_asks_for_nothing_makes_room_for_who_asks() {
        let head = Duration::from_secs(600);
        let (address, _stop) = server(Limits { connections: 3, head, ..LIMITS }).await;
        let mut kept = asked(address, "/small").await;
        assert!(answered(&mut kept, 5000).await);
        let mut silent = vec![];
        for _ in 0..2 {
            silent.push(TcpStream::connect(address).await.expect("a connection"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        // One that asks again is not the one that is silent the longest.
        let mut rest = [0; 512];
        let _ = kept.read(&mut rest).await.expect("the answer");
        kept.write_all(&asking("/small")).await.expect("asked");
        assert!(answered(&mut kept, 5000).await);
        let mut new = asked(address, "/small").await;
        assert!(answered(&mut new, 5000).await, "patience for heads is long; it need not wait");
        let mut byte = [0];
        let ended = timeout(Duration::from_secs(5), silent[0].read(&mut byte)).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
        let _ = kept.read(&mut rest).await.expect("the answer");
        kept.write_all(&asking("/small")).await.expect("asked");
        assert!(answered(&mut kept, 5000).await, "it has its place");
    }

    #[tokio::test]
    async fn operations_are_answered_where_everybody_is_busy() {
        let long = Duration::from_secs(600);
        let limits = Limits { operations: 1, head: long, write: long, ..LIMITS };
        let (address, _stop) = server(limits).await;
        let mut busy = asked(address, "/").await;
        assert!(answered(&mut busy, 5000).await);
        tokio::time::sleep(2 * limits.idle).await;
        assert!(text(asked(address, "/healthz").await).await.ends_with("ok"));
        let refused = text(asked(address, "/small").await).await;
        assert!(
            refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"),
            "{refused}"
        );
        // Who says nothing there does not stay for long.
        let silent = TcpStream::connect(address).await.expect("a connection");
        assert!(text(asked(address, "/healthz").await).await.ends_with("ok"));
        drop((silent, busy));
    }
}

//! Places of connections, and who has to leave one.

use std::{
    collections::HashMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    Error,
    body::{Body, Bytes, HttpBody},
};
use hyper::body::{Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
};

/// All places.
#[derive(Debug)]
pub(super) struct Seats {
    /// So many for everything.
    most: usize,
    /// Those that are for operations only.
    operations: Arc<Semaphore>,
    /// How long a connection may ask for nothing before it has to make room.
    idle: Duration,
    taken: Mutex<Taken>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Seat>,
}

#[derive(Debug)]
struct Seat {
    /// Whether a request of it is being answered.
    asked: bool,
    /// Whether it has not read yet what is written.
    unread: bool,
    /// When that changed last.
    since: Instant,
    /// Dropped when the place is another's.
    _stay: oneshot::Sender<()>,
}

/// A connection's place.
#[derive(Debug)]
pub(super) enum Place {
    /// One for everything.
    Any {
        /// Free again when this is dropped.
        seat: Arc<Taking>,
        /// Ends when another one has it.
        stay: oneshot::Receiver<()>,
    },
    /// One for operations.
    Operations {
        /// Free again when this is dropped.
        _place: OwnedSemaphorePermit,
    },
}

/// Which place is taken; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Taking {
    seats: Arc<Seats>,
    id: u64,
}

impl Drop for Taking {
    fn drop(&mut self) {
        self.seats.taken().seats.remove(&self.id);
        self.seats.left.notify_one();
    }
}

impl Seats {
    /// So many places for everything, and so many for operations.
    pub(super) fn new(most: usize, operations: usize, idle: Duration) -> Self {
        let operations = Arc::new(Semaphore::new(operations));
        Self { most, operations, idle, taken: Mutex::default(), left: Notify::new() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, when there is one. Looks again every `again`.
    pub(super) async fn place(self: &Arc<Self>, again: Duration) -> Place {
        loop {
            if let Some(place) = self.any() {
                return place;
            }
            if let Ok(place) = self.operations.clone().try_acquire_owned() {
                return Place::Operations { _place: place };
            }
            tokio::select! {
                () = self.left.notified() => {}
                () = tokio::time::sleep(again) => {}
            }
        }
    }

    /// A free place, or that of whoever has asked for nothing the longest.
    fn any(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.seats.len() >= self.most {
            let idle = taken.seats.iter().filter(|(_, seat)| !seat.asked && !seat.unread);
            let (since, id) = idle.map(|(id, seat)| (seat.since, *id)).min()?;
            if since.elapsed() < self.idle {
                return None;
            }
            taken.seats.remove(&id);
        }
        let (sender, stay) = oneshot::channel();
        let id = taken.next;
        taken.next += 1;
        taken
            .seats
            .insert(id, Seat { asked: false, unread: false, since: Instant::now(), _stay: sender });
        let seat = Arc::new(Taking { seats: self.clone(), id });
        Some(Place::Any { seat, stay })
    }
}

impl Place {
    /// Whether everything is answered here.
    pub(super) const fn is_for_all(&self) -> bool {
        matches!(self, Self::Any { .. })
    }

    /// Returns when another connection has this place.
    pub(super) async fn wanted(&mut self) {
        match self {
            Self::Any { stay, .. } => {
                let _ = stay.await;
            }
            Self::Operations { .. } => std::future::pending().await,
        }
    }

    /// What says when the connection is being answered.
    pub(super) fn usage(&self) -> Usage {
        Usage(match self {
            Self::Any { seat, .. } => Some((seat.seats.clone(), seat.id)),
            Self::Operations { .. } => None,
        })
    }
}

/// Whether a connection is being answered.
#[derive(Clone, Debug)]
pub(super) struct Usage(Option<(Arc<Seats>, u64)>);

impl Usage {
    fn set(&self, change: impl FnOnce(&mut Seat)) {
        let Some((seats, id)) = &self.0 else { return };
        if let Some(seat) = seats.taken().seats.get_mut(id) {
            change(seat);
            seat.since = Instant::now();
        }
    }

    /// It is, until this is dropped.
    pub(super) fn begin(&self) -> Busy {
        self.set(|seat| seat.asked = true);
        Busy(self.clone())
    }

    /// A socket that tells while nobody reads what is written to it.
    pub(super) fn of<S>(self, socket: S) -> Watched<S> {
        Watched { socket, usage: self, full: false }
    }
}

/// A connection whose answer is not all given away.
#[derive(Debug)]
pub(super) struct Busy(Usage);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(|seat| seat.asked = false);
    }
}

/// A connection's socket. An answer is given away at once, and read in the reader's own time.
#[derive(Debug)]
pub(super) struct Watched<S> {
    socket: S,
    usage: Usage,
    full: bool,
}

impl<S> Watched<S> {
    fn wrote<T>(&mut self, written: Poll<T>) -> Poll<T> {
        let full = written.is_pending();
        if full != self.full {
            self.full = full;
            self.usage.set(|seat| seat.unread = full);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// An answer's body, whose connection is busy as long as it is there.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    _busy: Busy,
}

impl Answer {
    pub(super) const fn new(body: Body, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

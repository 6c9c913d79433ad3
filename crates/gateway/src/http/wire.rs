//! One connection's socket, with what was read from it and not taken yet.
//!
//! Lives here: reading, writing and closing, each with a time limit.
//! Does not live here: what the bytes mean (`head`, `framing`), the order of things (`http1`).

use std::any::Any;
use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::BytesMut;
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::ServerLimits;

/// Room that is made for one read, in bytes: most requests come whole in one.
pub(super) const READ_BYTES: usize = 8 * 1024;

/// Anything that a connection can run over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// The socket, where what it carries is what is read and written.
    fn socket(&self) -> Option<&TcpStream>;
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for T {
    fn socket(&self) -> Option<&TcpStream> {
        (self as &dyn Any).downcast_ref()
    }
}

/// A connection. Whoever holds it may read and write; a request's body borrows it while it is being read.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    timer: Timer,
    /// Where looks read to; empty until there is one.
    looked: Vec<u8>,
    /// Read and not taken yet.
    pub(super) input: BytesMut,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing yet.
    Nothing,
    /// There is something to be read, or was already.
    Found,
    /// Whoever reads next finds out, be it an end.
    Impossible,
}

/// Nothing more was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadError {
    /// The other side has closed, or the connection broke.
    Ended,
    /// The deadline has passed.
    TimedOut,
}

/// The other side takes no more, or too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriteError;

impl std::fmt::Debug for Wire {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Wire")
            .field("input_bytes", &self.input.len())
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>, limits: &ServerLimits) -> Self {
        Self {
            stream,
            timer: Timer::new(Instant::now() + limits.idle_time_max),
            looked: Vec::new(),
            input: BytesMut::new(),
        }
    }

    /// Reads at least one byte more. Nothing is lost when the future is dropped.
    pub(super) async fn fill(
        &mut self,
        room_bytes: usize,
        deadline: Instant,
    ) -> Result<(), ReadError> {
        let Self {
            stream,
            timer,
            input,
            ..
        } = self;
        input.reserve(room_bytes);
        timer.set(deadline);
        let mut read = pin!(stream.read_buf(input));
        poll_fn(|context| {
            if let Poll::Ready(read) = read.as_mut().poll(context) {
                return Poll::Ready(match read {
                    Ok(0) | Err(_) => Err(ReadError::Ended),
                    Ok(_) => Ok(()),
                });
            }
            timer.poll(context).map(|()| Err(ReadError::TimedOut))
        })
        .await
    }

    /// The same, and takes what else is there already, until the room is full: large bodies come in few pieces.
    pub(super) async fn fill_up(
        &mut self,
        room_bytes: usize,
        deadline: Instant,
    ) -> Result<(), ReadError> {
        let full_bytes = self.input.len() + room_bytes;
        self.fill(room_bytes, deadline).await?;
        let Self { stream, input, .. } = self;
        poll_fn(|context| {
            while input.len() < full_bytes {
                let mut read = pin!(stream.read_buf(input));
                match read.as_mut().poll(context) {
                    Poll::Ready(Ok(1..)) => {}
                    // An end or an error is found again by whoever reads next.
                    Poll::Ready(_) | Poll::Pending => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        Ok(())
    }

    /// Reads what is there already, without the runtime: it would have to be asked first whether something is there.
    pub(super) fn look(&mut self) -> Look {
        if !self.input.is_empty() {
            return Look::Found;
        }
        let Some(socket) = (*self.stream).socket() else {
            return Look::Impossible;
        };
        self.looked.clear();
        self.looked.reserve(READ_BYTES);
        let room = rustix::buffer::spare_capacity(&mut self.looked);
        match rustix::net::recv(socket, room, RecvFlags::DONTWAIT) {
            Ok((1.., _)) => {
                self.input.extend_from_slice(&self.looked);
                Look::Found
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Look::Nothing,
            Ok(_) | Err(_) => Look::Impossible,
        }
    }

    /// Whether nothing was heard, nor the end: asked of a connection on which nothing should be. It costs a system call
    /// only when something is there.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut byte = [0_u8; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        let read = Pin::new(&mut *self.stream).poll_read(&mut context, &mut buffer);
        read.is_pending() && self.input.is_empty()
    }

    /// Writes both, one behind the other, without copying them together.
    pub(super) async fn write(
        &mut self,
        head: &[u8],
        body: &[u8],
        stall_max: Duration,
    ) -> Result<(), WriteError> {
        let mut written = 0;
        while written < head.len() + body.len() {
            let slices = [
                IoSlice::new(head.get(written..).unwrap_or_default()),
                IoSlice::new(
                    body.get(written.saturating_sub(head.len())..)
                        .unwrap_or_default(),
                ),
            ];
            // An empty slice in front would make some streams write nothing.
            let slices = match slices.as_slice() {
                [first, rest @ ..] if first.is_empty() => rest,
                [first @ .., last] if last.is_empty() => first,
                slices => slices,
            };
            written += self.write_some(slices, stall_max).await?;
        }
        self.flush(stall_max).await
    }

    /// Sends what a stream holds back: TLS does when the socket takes no more.
    async fn flush(&mut self, stall_max: Duration) -> Result<(), WriteError> {
        let Self { stream, timer, .. } = self;
        let mut is_timed = false;
        poll_fn(|context| {
            if let Poll::Ready(flushed) = Pin::new(&mut *stream).poll_flush(context) {
                return Poll::Ready(flushed.map_err(|_| WriteError));
            }
            if !is_timed {
                is_timed = true;
                timer.set(Instant::now() + stall_max);
            }
            timer.poll(context).map(|()| Err(WriteError))
        })
        .await
    }

    async fn write_some(
        &mut self,
        slices: &[IoSlice<'_>],
        stall_max: Duration,
    ) -> Result<usize, WriteError> {
        let Self { stream, timer, .. } = self;
        let mut is_timed = false;
        poll_fn(|context| {
            let stream = Pin::new(&mut **stream);
            // The system has less to do for a single piece.
            let written = match slices {
                [alone] => stream.poll_write(context, alone),
                slices => stream.poll_write_vectored(context, slices),
            };
            match written {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(WriteError)),
                Poll::Ready(Ok(written)) => return Poll::Ready(Ok(written)),
                Poll::Pending => {}
            }
            if !is_timed {
                is_timed = true;
                timer.set(Instant::now() + stall_max);
            }
            timer.poll(context).map(|()| Err(WriteError))
        })
        .await
    }

    /// Closes a connection whose other side has sent nothing that is still unread.
    pub(super) async fn close(mut self: Box<Self>) {
        // It may be closed already, which is as good.
        let _ = self.stream.shutdown().await;
    }

    /// Closes a connection whose other side may still be sending: what it sends is read and thrown away for a
    /// while, since closing with unread input resets the connection, and a reset can take the response with it.
    pub(super) async fn linger(mut self: Box<Self>, limits: &ServerLimits) {
        let _ = self.stream.shutdown().await;
        let deadline = Instant::now() + limits.linger_time_max;
        let mut thrown_bytes = 0;
        while thrown_bytes < limits.linger_bytes_max {
            self.input.clear();
            if self.fill(READ_BYTES, deadline).await.is_err() {
                return;
            }
            thrown_bytes += self.input.len();
        }
    }

    /// Takes the connection apart: the stream, and what was read from it.
    pub(super) fn into_parts(self) -> (Box<dyn Stream>, BytesMut) {
        (self.stream, self.input)
    }
}

/// A deadline that moves with each request while its timer seldom does: a timer that fires too early is set anew,
/// so that a busy connection costs the timer wheel nothing.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    deadline: Instant,
}

impl Timer {
    fn new(deadline: Instant) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep_until(deadline)),
            deadline,
        }
    }

    fn set(&mut self, deadline: Instant) {
        self.deadline = deadline;
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if self.deadline <= self.sleep.deadline() {
                return Poll::Ready(());
            }
            let deadline = self.deadline;
            self.sleep.as_mut().reset(deadline);
        }
    }
}

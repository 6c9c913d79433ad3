//! Messages on a connection that was upgraded.
//!
//! Lives here: the limits of frames and messages, the code by which each breach ends the connection, an orderly close.
//! Does not live here: frames as such (`tungstenite`), what messages mean (`session`).
//!
//! Contract: RFC 6455, sections 5 to 7; Amazon API Gateway Developer Guide, "Quotas for WebSocket APIs": what is too large
//! closes the connection with 1009; "Working with binary media types for WebSocket APIs": a binary message closes it with
//! 1003.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use model::limits::{WEBSOCKET_FRAME_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::http::{ServerLimits, Socket, Stream};

/// What a connection reads at a time, in bytes, and holds while it is idle.
const READ_BYTES: usize = 8 * 1024;
/// What one message, or one ping, may take on the wire with the heads of all its frames: against messages in endless tiny
/// pieces.
const WIRE_BYTES_MAX: usize = 264 * 1024;
/// Pings and pongs of one connection within [`CONTROL_WINDOW`].
const CONTROL_FRAMES_MAX: u32 = 100;
/// The time in which they are counted.
const CONTROL_WINDOW: Duration = Duration::from_secs(1);
/// How long a client may take to answer our close.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(2);
/// The most that the reason of a close may have, in bytes (RFC 6455, 5.5).
const REASON_BYTES_MAX: usize = 123;

/// The messages of one connection.
pub(super) struct Frames {
    stream: WebSocketStream<Metered>,
    limits: ServerLimits,
    control: Control,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// A message.
    Text(Utf8Bytes),
    /// A ping or a pong, which is answered already.
    Control,
    /// The client closes: its code and reason, if it says any.
    Closed(Option<(u16, String)>),
    /// It breaks a rule.
    Bad(Breach),
    /// It is gone.
    Lost,
}

/// A rule that a client broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Breach {
    /// A frame or a message is over its limit.
    #[error("Message too big")]
    TooLarge,
    /// A message is binary.
    #[error("Binary messages are not supported")]
    Binary,
    /// A text is not UTF-8.
    #[error("Invalid UTF-8")]
    NotText,
    /// Frames are not as the standard has them.
    #[error("Protocol error")]
    Protocol,
    /// More frames than anybody needs.
    #[error("Too many frames")]
    Flood,
}

impl Breach {
    /// The code that the connection is closed with.
    pub(super) fn code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::Binary => 1003,
            Self::NotText => 1007,
            Self::Protocol => 1002,
            Self::Flood => 1008,
        }
    }
}

/// The client takes no more, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotSent;

impl Frames {
    pub(super) async fn new(socket: Socket) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BYTES)
            .write_buffer_size(READ_BYTES)
            .max_write_buffer_size(READ_BYTES + 2 * WEBSOCKET_FRAME_BYTES_MAX)
            .max_message_size(Some(WEBSOCKET_MESSAGE_BYTES_MAX))
            .max_frame_size(Some(WEBSOCKET_FRAME_BYTES_MAX));
        let metered = Metered {
            stream: socket.stream,
            left: WIRE_BYTES_MAX,
        };
        let read = socket.read.to_vec();
        let role = Role::Server;
        Self {
            stream: WebSocketStream::from_partially_read(metered, read, role, Some(config)).await,
            limits: socket.limits,
            control: Control::default(),
        }
    }

    /// Waits for what comes next. Nothing is lost when the future is dropped.
    pub(super) async fn receive(&mut self) -> Received {
        let received = match self.stream.next().await {
            None => Received::Lost,
            Some(Ok(message)) => match message {
                Message::Text(text) => Received::Text(text),
                Message::Binary(_) | Message::Frame(_) => Received::Bad(Breach::Binary),
                Message::Ping(_) | Message::Pong(_) if self.control.is_too_much(Instant::now()) => {
                    Received::Bad(Breach::Flood)
                }
                Message::Ping(_) | Message::Pong(_) => Received::Control,
                Message::Close(close) => Received::Closed(
                    close.map(|close| (close.code.into(), close.reason.to_string())),
                ),
            },
            Some(Err(error)) => self.broken(&error),
        };
        self.stream.get_mut().left = WIRE_BYTES_MAX;
        received
    }

    fn broken(&self, error: &Error) -> Received {
        match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                Received::Bad(Breach::TooLarge)
            }
            Error::Utf8(_) => Received::Bad(Breach::NotText),
            Error::Io(_) if self.stream.get_ref().left == 0 => Received::Bad(Breach::Flood),
            Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Received::Lost,
            Error::Capacity(CapacityError::TooManyHeaders)
            | Error::Protocol(_)
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::AttackAttempt
            | Error::Url(_) => Received::Bad(Breach::Protocol),
        }
    }

    /// Sends one message: a text, where it is one. It goes in frames of the size that clients may send, too.
    pub(super) async fn send(&mut self, message: Bytes) -> Result<(), NotSent> {
        let kind = if std::str::from_utf8(&message).is_ok() {
            Data::Text
        } else {
            Data::Binary
        };
        let stall_max = self.limits.write_stall_max;
        let mut rest = message;
        let mut kind = kind;
        loop {
            let piece = rest.split_to(rest.len().min(WEBSOCKET_FRAME_BYTES_MAX));
            let frame = Frame::message(piece, OpCode::Data(kind), rest.is_empty());
            let sent = tokio::time::timeout(stall_max, self.stream.send(Message::Frame(frame)));
            if !matches!(sent.await, Ok(Ok(()))) {
                return Err(NotSent);
            }
            if rest.is_empty() {
                return Ok(());
            }
            kind = Data::Continue;
        }
    }

    /// Closes the connection, and waits a little for the client to do so too.
    pub(super) async fn close(mut self, code: u16, reason: &str) {
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let close = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.get(..end).unwrap_or_default().into(),
        };
        let closing = async {
            if self.stream.send(Message::Close(Some(close))).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        let _in_time = tokio::time::timeout(CLOSE_TIME_MAX, closing).await;
        self.linger().await;
    }

    /// Answers the client's close, which waits to be sent.
    pub(super) async fn answer_close(mut self) {
        let answering = async {
            let _flushed = self.stream.flush().await;
            while let Some(Ok(_)) = self.stream.next().await {}
        };
        let _in_time = tokio::time::timeout(CLOSE_TIME_MAX, answering).await;
        self.linger().await;
    }

    /// Ends the connection, whose client may still be sending: closing with unread input resets it, and a reset can take our
    /// close with it.
    async fn linger(self) {
        let limits = self.limits;
        let mut stream = self.stream.into_inner().stream;
        let _closed = tokio::time::timeout(CLOSE_TIME_MAX, stream.shutdown()).await;
        let throwing = async {
            let mut thrown_bytes = 0;
            let mut buffer = [0_u8; READ_BYTES];
            while thrown_bytes < limits.linger_bytes_max {
                match stream.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(bytes) => thrown_bytes += bytes,
                }
            }
        };
        let _in_time = tokio::time::timeout(CLOSE_TIME_MAX, throwing).await;
    }
}

/// Counts pings and pongs.
#[derive(Debug, Default)]
struct Control {
    since: Option<Instant>,
    frames: u32,
}

impl Control {
    fn is_too_much(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| CONTROL_WINDOW <= now - since) {
            self.since = Some(now);
            self.frames = 0;
        }
        self.frames += 1;
        CONTROL_FRAMES_MAX < self.frames
    }
}

/// A stream of which only so much is read until somebody allows more.
struct Metered {
    stream: Box<dyn Stream>,
    left: usize,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        self.left = self.left.saturating_sub(bytes);
        polled
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

//! One HTTP/2 connection, spoken in clear text with prior knowledge.
//!
//! Lives here: hyper's HTTP/2 with our limits, and requests and responses in and out of its types.
//! Does not live here: frames, flow control and header compression, which are hyper's.
//!
//! Contract: RFC 9113, sections 3.3, 8.2 (cookies: 8.2.3) and 8.3.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use interfaces::clock::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::head::{is_host, is_target_text};
use super::http1::{Service, guarded};
use super::reply::{self, is_framing_header};
use super::seats::Seat;
use super::stream::{Outgoing, Pump};
use super::wire::{Stream, Wire};
use super::{Body, Headers, Request, Response, ResponseBody, ServerLimits};

/// Streams that a client may open and reset before the connection is ended: rapid reset, CVE-2023-44487.
const RESET_STREAMS_WAITING_MAX: usize = 20;
/// Streams that we reset because of a client's errors before the connection is ended.
const RESET_STREAMS_OWN_MAX: usize = 100;
/// What a stream buffers of its response, in bytes.
const SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// How much of a body a client may send before it is read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// How much of all bodies of a connection a client may send before they are read, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Serves a connection until it closes.
pub(super) async fn serve(
    wire: Wire,
    (seat, peer): (Seat, SocketAddr),
    service: Arc<Service>,
    stop: &CancellationToken,
) {
    let limits = service.limits;
    let tasks = Tasks::default();
    let activity = Arc::new(Activity::new(seat, Arc::clone(&service.clock)));
    let answering = hyper::service::service_fn({
        let activity = activity.clone();
        let tasks = tasks.clone();
        move |request: http::Request<Incoming>| {
            // hyper drops what answers a stream that its client resets. As on HTTP/1, handlers run to their end all
            // the same, so they run apart; and since a client may reset and open as it likes, their number counts,
            // not that of its streams.
            let running = activity.clone().begin(limits.streams_max);
            let service = service.clone();
            let (sender, answered) = oneshot::channel();
            tasks.execute(async move {
                let (response, pump) = answer(request, peer, &service, running.as_ref()).await;
                // Nobody waits any more when the client has reset the stream.
                let _ = sender.send(response);
                if let Some(pump) = pump {
                    pump.run().await;
                }
                // A request runs until all of its response is on its way.
                drop(running);
            });
            answered
        }
    });
    let stream = TokioIo::new(Rewound::of(wire));
    let connection = builder(&limits, tasks.clone()).serve_connection(stream, answering);
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "an HTTP/2 connection broke");
                }
                break;
            }
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = activity.idle(limits.idle_time_max) => {
                if is_stopping {
                    // Asked to go, and given as long again: it is not going.
                    break;
                }
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
    tasks.join().await;
}

fn builder(limits: &ServerLimits, tasks: Tasks) -> hyper::server::conn::http2::Builder<Tasks> {
    let mut builder = hyper::server::conn::http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET_STREAMS_WAITING_MAX)
        .max_local_error_reset_streams(RESET_STREAMS_OWN_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(limits.head_time_max)
        .keep_alive_timeout(limits.head_time_max);
    builder
}

async fn answer(
    request: http::Request<Incoming>,
    peer: SocketAddr,
    service: &Service,
    running: Option<&Running>,
) -> (http::Response<Outgoing>, Option<Pump>) {
    let method = request.method().clone();
    let response = match (running, read(request, peer, service)) {
        (None, _) => reply::plain(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are under way on this connection",
        ),
        (Some(_), Ok(request)) => guarded(&*service.handler, request).await,
        (Some(_), Err(status)) => reply::plain(status, "this request is not served"),
    };
    let date = reply::DateText::default()
        .at(service.clock.now())
        .to_owned();
    encode(response, &method, &date, service.limits.write_stall_max)
}

/// Reads what hyper has framed; an error is the status of the refusal.
fn read(
    request: http::Request<Incoming>,
    peer: SocketAddr,
    service: &Service,
) -> Result<Request, StatusCode> {
    let (parts, incoming) = request.into_parts();
    if parts.method == Method::CONNECT {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    let target = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    if !target.starts_with('/') || !is_target_text(target.as_bytes()) {
        return Err(StatusCode::BAD_REQUEST);
    }
    if service.limits.headers_max < parts.headers.len() {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    Ok(Request {
        target: target.to_owned(),
        headers: read_headers(&parts.headers, authority).ok_or(StatusCode::BAD_REQUEST)?,
        body: Body::streamed(incoming, service.limits),
        method: parts.method,
        version: Version::HTTP_2,
        peer,
        scheme: service.scheme,
        received_at: service.clock.instant(),
    })
}

/// The headers with one `host` in front; none: there is no valid one, or two that differ.
fn read_headers(sent: &http::HeaderMap, authority: Option<&str>) -> Option<Headers> {
    let mut hosts = sent.get_all(http::header::HOST).iter();
    let host = match (authority, hosts.next(), hosts.next()) {
        (_, _, Some(_)) | (None, None, None) => return None,
        (Some(authority), Some(host), None) if host.as_bytes() != authority.as_bytes() => {
            return None;
        }
        (Some(authority), Some(_) | None, None) => HeaderValue::from_str(authority).ok()?,
        (None, Some(host), None) => host.clone(),
    };
    if !is_host(host.as_bytes()) {
        return None;
    }
    let mut headers = Headers::with_capacity(sent.len() + 1, 16 * sent.len());
    headers.push("host", host);
    for (name, value) in sent {
        if *name != http::header::HOST && *name != http::header::COOKIE {
            headers.push(name.as_str(), value.clone());
        }
    }
    if let Some(cookies) = joined_cookies(sent) {
        headers.push("cookie", cookies);
    }
    Some(headers)
}

/// Clients may send each cookie in a field of its own, which compresses better. Outside of HTTP/2 that would be several
/// headers, of which events show the last one alone.
fn joined_cookies(sent: &http::HeaderMap) -> Option<HeaderValue> {
    let cookies: Vec<&[u8]> = sent
        .get_all(http::header::COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.is_empty() {
        return None;
    }
    // What could stand in a header each can stand in one together, so nothing is dropped here.
    HeaderValue::from_bytes(&cookies.join(&b"; "[..])).ok()
}

fn encode(
    response: Response,
    method: &Method,
    date: &str,
    stall_max: Duration,
) -> (http::Response<Outgoing>, Option<Pump>) {
    let Response {
        status,
        headers,
        body,
    } = match response.body {
        // A stream of HTTP/2 is nobody's connection to give away: whoever asked for that did so by HTTP/1.1.
        ResponseBody::Upgrade(_) => reply::plain(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "this is answered by HTTP/1.1 alone",
        ),
        ResponseBody::Whole(_) | ResponseBody::Stream(_) => response,
    };
    let is_head = *method == Method::HEAD;
    let known_bytes = match &body {
        ResponseBody::Whole(body) => Some(body.len() as u64),
        ResponseBody::Stream(body) => body.bytes(),
        ResponseBody::Upgrade(_) => None,
    };
    let mut encoded = http::Response::new(Outgoing::Whole(None));
    *encoded.status_mut() = status;
    let map = encoded.headers_mut();
    map.reserve(headers.len() + 2);
    for (name, value) in headers {
        let is_length_of_absent_body = is_head
            && known_bytes == Some(0)
            && reply::is_plain_length(&name, &value)
            && !map.contains_key(http::header::CONTENT_LENGTH);
        let is_own = is_framing_header(&name) && !is_length_of_absent_body;
        // `guarded` has replaced a response with a name that is no token, so nothing is dropped here.
        if let (false, Ok(name)) = (is_own, HeaderName::from_bytes(name.as_bytes())) {
            map.append(name, value);
        }
    }
    if !map.contains_key(http::header::DATE)
        && let Ok(date) = HeaderValue::from_str(date)
    {
        map.insert(http::header::DATE, date);
    }
    if !reply::allows_body(status) {
        return (encoded, None);
    }
    if let Some(bytes) = known_bytes
        && !map.contains_key(http::header::CONTENT_LENGTH)
    {
        map.insert(http::header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
    if is_head {
        return (encoded, None);
    }
    let (body, pump) = match body {
        ResponseBody::Whole(body) => {
            let body = (!body.is_empty()).then_some(body);
            (Outgoing::Whole(body), None)
        }
        ResponseBody::Stream(body) => {
            let (pump, body) = Pump::new(body, stall_max);
            (body, Some(pump))
        }
        ResponseBody::Upgrade(_) => (Outgoing::Whole(None), None),
    };
    *encoded.body_mut() = body;
    (encoded, pump)
}

/// Counts requests under way, and tells how long there have been none.
struct Activity {
    running: AtomicUsize,
    changed: tokio::sync::Notify,
    seat: Seat,
    clock: Arc<dyn Clock>,
}

/// One request under way.
struct Running(Arc<Activity>);

impl Activity {
    fn new(seat: Seat, clock: Arc<dyn Clock>) -> Self {
        seat.waits(clock.instant());
        Self {
            running: AtomicUsize::default(),
            changed: tokio::sync::Notify::default(),
            seat,
            clock,
        }
    }

    /// Counts one more; none: there are as many as may be.
    fn begin(self: Arc<Self>, running_max: u32) -> Option<Running> {
        let before = self.running.fetch_add(1, Ordering::AcqRel);
        self.seat.is_busy();
        let running = Running(self.clone());
        self.changed.notify_one();
        let may_run = u32::try_from(before).is_ok_and(|before| before < running_max);
        may_run.then_some(running)
    }

    /// Resolves when no request has run for so long.
    async fn idle(&self, time_max: std::time::Duration) {
        loop {
            let changed = self.changed.notified();
            if self.running.load(Ordering::Acquire) == 0 {
                if tokio::time::timeout(time_max, changed).await.is_err() {
                    return;
                }
            } else {
                changed.await;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.seat.waits(self.0.clock.instant());
        }
        self.0.changed.notify_one();
    }
}

/// The tasks in which hyper answers the requests of one connection; they end with it.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    async fn join(&self) {
        let mut tasks = {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        while tasks.join_next().await.is_some() {}
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// A stream of which something was read already: that is read again first.
struct Rewound {
    read_already: BytesMut,
    stream: Box<dyn Stream>,
}

impl Rewound {
    fn of(wire: Wire) -> Self {
        let (stream, read_already) = wire.into_parts();
        Self {
            read_already,
            stream,
        }
    }
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_already.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let bytes = self.read_already.len().min(buffer.remaining());
        buffer.put_slice(self.read_already.get(..bytes).unwrap_or_default());
        self.read_already.advance(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
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

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

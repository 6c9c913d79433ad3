//! Serves the API of one instance.
//!
//! Lives here: its connections and their limits.
//! Does not live here: what is asked and answered (`routes`).
//!
//! The other end is user code. It can slow down nobody but itself: each instance has a listener of its own, with its own
//! connections, and all of them end with it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::routes;
use super::session::Session;

/// Connections of one instance at a time; the next one waits in the listener's queue. Each extension and the runtime
/// hold one or two.
pub(in crate::process) const CONNECTIONS_MAX: usize = 64;
/// The head of a request, at most.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long a connection may be without a whole head of a request: an idle one is closed then. The longest invocation
/// takes as long, between whose two requests a connection is idle.
const HEAD_WAIT_MAX: Duration = model::limits::LAMBDA_TIMEOUT_MAX;
/// How long is waited after the listener failed, as it does when there are no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, session: Arc<Session>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _peer)) => {
                    // Small messages in turn: waiting for more to send along costs tens of milliseconds.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(TokioIo::new(stream), session.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TokioIo<tokio::net::TcpStream>, session: Arc<Session>) {
    let service = service_fn(move |request| {
        let session = session.clone();
        async move { Ok::<_, Infallible>(routes::answer(&session, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        // As the service writes them: scripts search for `Lambda-Runtime-Aws-Request-Id`.
        .title_case_headers(true)
        .serve_connection(stream, service);
    // It fails when the client breaks off or sends what is no HTTP: both are told by hyper, as far as that can be.
    let _ = served.await;
}

//! Connections: accepted inside, asked about again, made outside, and copied until both sides have ended.
//!
//! Lives here: one address's accepting, one connection's two directions.
//! Does not live here: when an address's listener is closed (`egress`).

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Egress, LISTENER_IDLE_MAX};
use crate::orders::Listen;

/// How long a connection outside may take to be made. Meanwhile, inside, it looks made.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a connection may be silent in both directions.
///
/// Contract: Amazon VPC User Guide, "NAT gateway basics": after 350 seconds idle a connection is dropped.
const SILENCE_MAX: Duration = Duration::from_secs(350);
/// How old a connection may be that was made before it was needed.
const PROBE_AGE_MAX: Duration = Duration::from_secs(1);
/// What is read before it is written.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long accepting rests when the machine has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts for one address until nobody has wanted it for long and no connection is left. The first connection gets
/// the one outside that is there already, if it comes at once.
pub(super) async fn serve(
    egress: Arc<Egress>,
    socket: OwnedFd,
    listen: Listen,
    probe: Option<OwnedFd>,
) {
    let mut probe = probe.map(|socket| (Instant::now(), socket));
    let Ok(listener) = TcpListener::from_std(std::net::TcpListener::from(socket)) else {
        return;
    };
    let mut carried = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let egress = egress.clone();
                    let made = probe.take().filter(|(made_at, _)| made_at.elapsed() < PROBE_AGE_MAX);
                    let made = made.map(|(_, socket)| std::net::TcpStream::from(socket));
                    carried.spawn(async move { carry(&egress, stream, made).await });
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = carried.join_next() => {}
            () = sleep(LISTENER_IDLE_MAX) => {
                if carried.is_empty() && egress.is_idle(listen) {
                    return;
                }
            }
        }
    }
}

async fn carry(egress: &Egress, inside: TcpStream, made: Option<std::net::TcpStream>) {
    let Ok(_permit) = egress.room.try_acquire() else {
        return reset(&inside);
    };
    // What it was really connected to, whatever was asked about.
    let Ok(to) = inside.local_addr() else {
        return;
    };
    let to = SocketAddr::new(to.ip().to_canonical(), to.port());
    if !egress.may_reach(to) {
        return reset(&inside);
    }
    let wait = egress.new_connections.wait(Instant::now());
    if !wait.is_zero() {
        sleep(wait).await;
    }
    let outside = match made {
        Some(stream) => TcpStream::from_std(stream),
        None => timeout(CONNECT_WAIT_MAX, TcpStream::connect(to))
            .await
            .unwrap_or_else(|late| Err(late.into())),
    };
    let Ok(outside) = outside else {
        return reset(&inside);
    };
    if egress.is_own_door(outside.local_addr(), outside.peer_addr()) {
        return reset(&inside);
    }
    // Both sides decide by themselves what they send together.
    let _ = inside.set_nodelay(true);
    let _ = outside.set_nodelay(true);
    copy_both_ways(inside, outside).await;
}

async fn copy_both_ways(inside: TcpStream, outside: TcpStream) {
    let moved = AtomicU64::new(0);
    let (inside_read, inside_write) = inside.into_split();
    let (outside_read, outside_write) = outside.into_split();
    let done = tokio::try_join!(
        copy(inside_read, outside_write, &moved),
        copy(outside_read, inside_write, &moved),
    );
    if let Err((one, other)) = done {
        // The halves are whole again only here; whoever is left sees a reset, as the other side did.
        reset(one.as_ref());
        reset(other.as_ref());
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    moved: &AtomicU64,
) -> Result<(), (OwnedReadHalf, OwnedWriteHalf)> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let seen = moved.load(Ordering::Relaxed);
        let count = match timeout(SILENCE_MAX, from.read(&mut buffer)).await {
            Ok(Ok(count)) => count,
            Ok(Err(_)) => return Err((from, to)),
            // The other direction may be the only one that is used.
            Err(_) if moved.load(Ordering::Relaxed) != seen => continue,
            Err(_) => return Err((from, to)),
        };
        if count == 0 {
            // It fails only when the other side has gone as well.
            let _ = to.shutdown().await;
            return Ok(());
        }
        moved.fetch_add(1, Ordering::Relaxed);
        let part = buffer.get(..count).unwrap_or_default();
        match timeout(SILENCE_MAX, to.write_all(part)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Err((from, to)),
        }
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

/// Has a connection end with a reset rather than in good order.
fn reset(stream: &TcpStream) {
    // It fails only for a connection that has ended.
    let _: io::Result<()> =
        rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).map_err(Into::into);
}

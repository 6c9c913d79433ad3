//! Datagrams: one flow for each sender inside and address outside.
//!
//! Lives here: one address's flows.
//! Does not live here: when an address's socket is closed (`egress`).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{SendFlags, SocketType};
use tokio::net::UdpSocket;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use super::{Egress, LISTENER_IDLE_MAX, outside_socket};
use crate::orders::Listen;

/// How long a flow may be silent. The next datagram begins another, from another port outside.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Flows to one address. The next sender's datagrams are dropped, as on a full network.
const FLOWS_MAX: usize = 256;
const DATAGRAM_BYTES_MAX: usize = 64 * 1024;

struct Flow {
    socket: Arc<UdpSocket>,
    task: AbortHandle,
    used_at: Instant,
}

/// Carries what is sent to one address, and what comes back, until nobody has wanted it for long.
pub(super) async fn serve(egress: Arc<Egress>, socket: OwnedFd, listen: Listen) {
    let Ok(inside) = UdpSocket::from_std(std::net::UdpSocket::from(socket)) else {
        return;
    };
    let inside = Arc::new(inside);
    let mut flows: HashMap<SocketAddr, Flow> = HashMap::new();
    let mut tasks = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        tokio::select! {
            received = inside.recv_from(&mut buffer) => {
                let Ok((count, from)) = received else {
                    // A reply that could not be delivered: its receiver has gone.
                    continue;
                };
                let part = buffer.get(..count).unwrap_or_default();
                if let Some(flow) = flow(&egress, &inside, listen, from, &mut flows, &mut tasks) {
                    // A full queue drops a datagram, as any network may.
                    let _ = rustix::net::send(flow, part, SendFlags::DONTWAIT);
                }
            }
            Some(_) = tasks.join_next() => flows.retain(|_, flow| !flow.task.is_finished()),
            () = sleep(LISTENER_IDLE_MAX) => {
                if flows.is_empty() && egress.is_idle(listen) {
                    return;
                }
            }
        }
    }
}

fn flow<'a>(
    egress: &Arc<Egress>,
    inside: &Arc<UdpSocket>,
    listen: Listen,
    from: SocketAddr,
    flows: &'a mut HashMap<SocketAddr, Flow>,
    tasks: &mut JoinSet<()>,
) -> Option<&'a Arc<UdpSocket>> {
    if !flows.contains_key(&from) {
        flows.retain(|_, flow| !flow.task.is_finished());
        if FLOWS_MAX <= flows.len() {
            let (oldest, _) = flows.iter().min_by_key(|(_, flow)| flow.used_at)?;
            let oldest = *oldest;
            flows.remove(&oldest)?.task.abort();
        }
        // For the second time: the first was for whoever rang, and this is what a datagram was really sent to.
        if !egress.may_reach(listen.address) {
            return None;
        }
        let permit = egress.room.clone().try_acquire_owned().ok()?;
        let socket = outside_socket(listen.address, SocketType::DGRAM).ok()?;
        rustix::net::connect(&socket, &listen.address).ok()?;
        let socket = Arc::new(UdpSocket::from_std(socket.into()).ok()?);
        if egress.is_own_door(socket.local_addr(), socket.peer_addr()) {
            return None;
        }
        let task = tasks.spawn(bring_back(socket.clone(), inside.clone(), from, permit));
        flows.insert(
            from,
            Flow {
                socket,
                task,
                used_at: Instant::now(),
            },
        );
    }
    let flow = flows.get_mut(&from)?;
    flow.used_at = Instant::now();
    Some(&flow.socket)
}

async fn bring_back(
    outside: Arc<UdpSocket>,
    inside: Arc<UdpSocket>,
    to: SocketAddr,
    _permit: OwnedSemaphorePermit,
) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        match timeout(SILENCE_MAX, outside.recv(&mut buffer)).await {
            Ok(Ok(count)) => {
                let part = buffer.get(..count).unwrap_or_default();
                // A full queue drops a datagram, as any network may.
                let _ = rustix::net::sendto(&inside, part, SendFlags::DONTWAIT, &to);
            }
            // Refused outside: the sender is not told, as across most networks.
            Ok(Err(_)) => {}
            Err(_) => return,
        }
    }
}

//! The sandboxes that functions run in: who makes them, what is served inside.
//!
//! Lives here: starting what makes them; the second door to the services, which is inside.
//! Does not live here: how processes are locked in (`sandbox`), which are (`runtimes`), what is demanded
//! of this machine (`settings`).

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use gateway::http::{Handler, Server as HttpServer, ServerLimits};
use gateway::service_door::ServiceDoor;
use interfaces::clock::Clock;
use runtimes::process::{Walls, WallsConfig, WallsError};
use sandbox::{MAKER_ARGUMENT, MakerProgram};
use tokio_util::sync::CancellationToken;

use crate::pipeline::chain;
use crate::settings::Sandbox;

/// Becomes the process that makes sandboxes, if that is what this one was started for. To be called before there is a
/// second thread.
pub fn make_sandboxes_if_told() {
    let last = std::env::args_os().next_back();
    if last.is_some_and(|last| last == MAKER_ARGUMENT) {
        sandbox::run_as_maker()
    }
}

/// Our own program, as the maker.
///
/// # Errors
/// Its path is not to be had.
pub fn maker() -> io::Result<MakerProgram> {
    Ok(MakerProgram {
        // The file itself, should it be replaced while we run.
        path: PathBuf::from("/proc/self/exe").canonicalize()?,
        arguments: Vec::new(),
    })
}

/// The door inside, which is there before the services behind it.
#[derive(Clone, Default)]
pub struct InnerDoor(Arc<OnceLock<Arc<ServiceDoor>>>);

impl InnerDoor {
    /// Opens it. Functions run after that.
    pub fn open(&self, door: Arc<ServiceDoor>) {
        // It is opened once.
        let _ = self.0.set(door);
    }
}

/// Prepares sandboxes.
///
/// # Errors
/// Why this machine does not make any.
pub fn raise(
    settings: &Sandbox,
    own_ports: BTreeSet<u16>,
    hidden: Vec<PathBuf>,
    cache_dir: PathBuf,
    door: InnerDoor,
    clock: Arc<dyn Clock>,
) -> Result<Walls, String> {
    let maker = maker().map_err(|error| error.to_string())?;
    let serve = move |listener: std::net::TcpListener| -> interfaces::BoxFuture<'static, ()> {
        let (door, clock) = (door.0.get().cloned(), clock.clone());
        Box::pin(async move {
            let listening = tokio::net::TcpListener::from_std(listener);
            let (Some(door), Ok(listener)) = (door, listening) else {
                return;
            };
            let door = door as Arc<dyn Handler>;
            let server = HttpServer::new(ServerLimits::default(), clock);
            // It ends with its sandbox.
            let _drained = server.serve(listener, door, CancellationToken::new()).await;
        })
    };
    let raised = Walls::raise(WallsConfig {
        maker,
        policy: settings.policy(own_ports),
        processor_time: settings.processor(),
        limits: settings.limits(),
        door: Arc::new(serve),
        hidden,
        cache_dir,
    });
    raised.map_err(|error: WallsError| chain(&error))
}

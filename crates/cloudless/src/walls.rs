//! The sandboxes that functions run in: who makes them, what is served inside.
//!
//! Lives here: starting what makes them; the doors inside: to the services, and to the cloud's own host names.
//! Does not live here: how processes are locked in (`sandbox`), which are (`runtimes`), what is demanded of this machine
//! (`settings`), certificates (`authority`).

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gateway::http::{Handler, Request, Response, Server as HttpServer, ServerLimits};
use http::StatusCode;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use model::problem::Problem;
use runtimes::process::{Cloud, Secure, Trust, Walls, WallsConfig, WallsError};
use rustls::ServerConfig;
use sandbox::policy::Claims;
use sandbox::{MAKER_ARGUMENT, MakerProgram};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::authority::{Authority, NAMES};
use crate::pipeline::chain;
use crate::settings::Sandbox;

/// How long a client may take from its connection to the end of the handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Connections by TLS that one sandbox may have; the next waits to be accepted.
const SECURE_MAX: usize = 1_024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What the names of APIs have that those of services do not have.
const API_PART: &str = ".execute-api.";

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

/// The doors inside, which are there before what is behind them.
#[derive(Clone, Default)]
pub struct InnerDoor(Arc<Mutex<Option<Behind>>>);

#[derive(Clone)]
struct Behind {
    services: Arc<dyn Handler>,
    apis: Arc<dyn Handler>,
}

impl InnerDoor {
    /// Opens them, to the services and to the application's APIs. Functions run after that.
    pub fn open(&self, services: Arc<dyn Handler>, apis: Arc<dyn Handler>) {
        *self.behind() = Some(Behind { services, apis });
    }

    /// Lets go of them: whatever is behind them runs functions, and so holds what serves them.
    pub fn close(&self) {
        *self.behind() = None;
    }

    fn behind(&self) -> MutexGuard<'_, Option<Behind>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leads to the services.
    fn to_services(&self) -> Arc<dyn Handler> {
        Arc::new(Through {
            door: self.clone(),
            to: To::Services,
        })
    }

    /// Leads to whatever has one of the cloud's names.
    fn to_cloud(&self) -> Arc<dyn Handler> {
        Arc::new(Through {
            door: self.clone(),
            to: To::Cloud,
        })
    }
}

/// The way of requests through a door. It holds nothing of what is behind: that ends by its owner's will, not by
/// connections of functions.
struct Through {
    door: InnerDoor,
    to: To,
}

#[derive(Clone, Copy)]
enum To {
    Services,
    Cloud,
}

impl Handler for Through {
    fn handle(&self, request: Request) -> BoxFuture<'_, Response> {
        let Some(behind) = self.door.behind().clone() else {
            let gone = Response::new(StatusCode::SERVICE_UNAVAILABLE, "the server is ending\n");
            return Box::pin(std::future::ready(gone));
        };
        let host = request.headers.text("host").unwrap_or_default();
        let handler = match self.to {
            To::Cloud if host.to_ascii_lowercase().contains(API_PART) => behind.apis,
            To::Cloud | To::Services => behind.services,
        };
        Box::pin(async move { handler.handle(request).await })
    }
}

/// What sandboxes are prepared with.
pub struct Parts {
    /// The one of them at which the services answer.
    pub services_port: u16,
    /// Ports that we listen on.
    pub own_ports: BTreeSet<u16>,
    /// Those of others like us.
    pub claims: Claims,
    /// Folders of ours that may lie within a function's own.
    pub hidden: Vec<PathBuf>,
    /// A folder of ours.
    pub cache_dir: PathBuf,
    /// What is served inside.
    pub door: InnerDoor,
    /// Certifies the cloud's own host names.
    pub authority: Option<Arc<Authority>>,
    /// The clock of what serves.
    pub clock: Arc<dyn Clock>,
}

/// Prepares sandboxes.
///
/// # Errors
/// Why this machine does not make any.
pub fn raise(settings: &Sandbox, parts: Parts) -> Result<Walls, String> {
    let maker = maker().map_err(|error| error.to_string())?;
    let (door, clock) = (parts.door.clone(), Arc::clone(&parts.clock));
    let serve = move |listener| serve_plain(listener, door.to_services(), Arc::clone(&clock));
    let secure = match parts.authority {
        Some(authority) => Some(secure(authority, &parts.door, &parts.clock)?),
        None => None,
    };
    let (cloud, clock) = (parts.door.clone(), parts.clock);
    let plain = move |listener| serve_plain(listener, cloud.to_cloud(), Arc::clone(&clock));
    let cloud = Cloud {
        names: NAMES.map(str::to_owned).into(),
        plain: Arc::new(plain),
        secure,
    };
    let raised = Walls::raise(WallsConfig {
        maker,
        policy: settings.policy(parts.own_ports, Some(parts.claims)),
        processor_time: settings.processor(),
        limits: settings.limits(),
        door: Arc::new(serve),
        services_port: parts.services_port,
        cloud: Some(cloud),
        hidden: parts.hidden,
        cache_dir: parts.cache_dir,
    });
    raised.map_err(|error: WallsError| chain(&error))
}

/// Who certifies the cloud's own host names; without it nobody listens at them by HTTPS, and functions still find the
/// services at the endpoint that their environment names.
pub(crate) fn authority(
    cache: &Path,
    environment: &BTreeMap<String, String>,
) -> Option<Arc<Authority>> {
    let roots = environment.get("SSL_CERT_FILE").map(Path::new);
    match Authority::open(
        &cache.join("authority"),
        &NAMES,
        roots,
        jiff::Timestamp::now,
    ) {
        Ok(authority) => Some(Arc::new(authority)),
        Err(error) => {
            tracing::warn!(
                error = chain(&error),
                "functions cannot reach the services by the cloud's own host names"
            );
            None
        }
    }
}

/// A server must not start on this machine.
pub(crate) fn not_enforced(why: String) -> Box<Problem> {
    let title = "this machine cannot enforce what `demands = \"server\"` asks for, so no function runs on it";
    Box::new(
        Problem::error("server::not-enforced", title)
            .because(why)
            .help(
                "`cloudless doctor` lists what can be enforced here; where only limits are missing, `limits = \"watched\"` under \
                 `[sandbox]` in cloudless.toml does with less",
            ),
    )
}

fn secure(
    authority: Arc<Authority>,
    door: &InnerDoor,
    clock: &Arc<dyn Clock>,
) -> Result<Secure, String> {
    let trust = Trust {
        authority: authority.certificate().to_path_buf(),
        roots: authority.roots().map(ToOwned::to_owned),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(authority);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (door, clock) = (door.clone(), Arc::clone(clock));
    let secure = move |listener| -> BoxFuture<'static, ()> {
        let (door, clock, acceptor) = (door.to_cloud(), Arc::clone(&clock), acceptor.clone());
        Box::pin(async move {
            if let Ok(listener) = TcpListener::from_std(listener) {
                serve_secure(&listener, &acceptor, &door, &clock).await;
            }
        })
    };
    Ok(Secure {
        door: Arc::new(secure),
        trust,
    })
}

/// It ends with its sandbox.
fn serve_plain(
    listener: std::net::TcpListener,
    handler: Arc<dyn Handler>,
    clock: Arc<dyn Clock>,
) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        let Ok(listener) = TcpListener::from_std(listener) else {
            return;
        };
        let server = HttpServer::new(ServerLimits::default(), clock);
        let _drained = server
            .serve(listener, handler, CancellationToken::new())
            .await;
    })
}

async fn serve_secure(
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
    handler: &Arc<dyn Handler>,
    clock: &Arc<dyn Clock>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if SECURE_MAX <= connections.len() {
            connections.join_next().await;
            continue;
        }
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (acceptor, handler) = (acceptor.clone(), Arc::clone(handler));
        let server = HttpServer::new(ServerLimits::default(), Arc::clone(clock));
        connections.spawn(async move {
            // Packets wait for nothing; where that cannot be set the connection has ended.
            let _ = stream.set_nodelay(true);
            let shaken = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await;
            // A client that does not trust us, or asks for a name that is not the cloud's, is told so by TLS.
            if let Ok(Ok(stream)) = shaken {
                let until_it_ends = CancellationToken::new();
                server
                    .serve_connection(stream, peer, handler, until_it_ends)
                    .await;
            }
        });
    }
}

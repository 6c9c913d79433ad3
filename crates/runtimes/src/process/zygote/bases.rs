//! Bases: one for each interpreter, its options, and SDK.
//!
//! Lives here: starting one, keeping it, starting it anew when it has gone.
//! Does not live here: which one a function is forked from (`forking`).

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::process::child::Process;
use crate::process::launch::{Launch, LaunchError, Spawner};
use crate::process::link::{Link, LinkError, Message, Replaceable};
use crate::process::recent::Recent;

use super::Zygote;
use super::spares::Spares;

/// How long an interpreter and the SDK may take to load. It is under a second on an idle machine.
const BASE_START_MAX: Duration = Duration::from_secs(20);
/// How much is kept of what a base that does not start has to say.
const LAST_WORDS_BYTES_MAX: usize = 4 * 1024;

/// Bases that are kept for functions to come. Node.js takes the limits of its heap from its command line, so there is
/// one for each size of memory that functions have. When there are more, the one goes that was not asked for the longest;
/// it ends after the last of its templates.
const BASES_MAX: usize = 8;

/// The bases of a runtime.
pub(in crate::process) struct Bases {
    kept: Mutex<Recent<Kind, Place>>,
}

impl Default for Bases {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Recent::new(BASES_MAX)),
        }
    }
}

/// What a base is, and has loaded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    program: PathBuf,
    arguments: Vec<OsString>,
    sdk_paths: Vec<PathBuf>,
}

impl Kind {
    pub(super) fn of(launch: &Launch, sdk_paths: Vec<PathBuf>) -> Self {
        Self {
            program: launch.program.clone(),
            arguments: launch.arguments.clone(),
            sdk_paths,
        }
    }
}

/// A base that is ready.
pub(in crate::process) struct Base {
    pub(in crate::process) zygote: Arc<Zygote>,
    /// Modules that it has loaded, and a process of a function's own would not have.
    pub(super) loaded: HashSet<String>,
    pub(in crate::process) spares: Spares,
}

/// Whoever makes it holds the lock; the others wait for what comes of it.
type Place = tokio::sync::Mutex<Option<Arc<Base>>>;

/// There is no base.
#[derive(Debug, thiserror::Error)]
pub(super) enum BaseError {
    /// This machine did not start it; it may do so the next time.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// It started and did not come up.
    #[error("its interpreter does not do that: {reason}")]
    Unusable { reason: String },
}

impl Bases {
    /// The base of this kind; `launch` says how it is started.
    pub(super) async fn get(
        &self,
        kind: Kind,
        launch: Launch,
        spawner: &Spawner,
    ) -> Result<Arc<Base>, BaseError> {
        let place = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.place(kind)
        };
        let mut place = place.lock().await;
        if let Some(base) = place.as_ref().filter(|base| base.zygote.is_open()) {
            return Ok(base.clone());
        }
        let base = Arc::new(start(launch, spawner).await?);
        *place = Some(base.clone());
        Ok(base)
    }
}

async fn start(launch: Launch, spawner: &Spawner) -> Result<Base, BaseError> {
    let launched = spawner.launch(launch).await?;
    let unwatched = |error: std::io::Error| BaseError::Unusable {
        reason: error.to_string(),
    };
    let process = Process::new(
        launched.pid,
        launched.pidfd,
        spawner.undertaker(),
        None,
        None,
    )
    .map_err(unwatched)?;
    let ends = launched.ends;
    let Some(channel) = ends.channel else {
        return Err(BaseError::Unusable {
            reason: "it has no channel".to_owned(),
        });
    };
    let mut link = Link::new(channel, Replaceable::No).map_err(unwatched)?;
    let loading = async {
        link.send_rest(&ends.untold).await?;
        link.receive().await
    };
    let said = tokio::time::timeout(BASE_START_MAX, loading).await;
    let unusable = |what: &str| BaseError::Unusable {
        reason: ends
            .stderr
            .as_ref()
            .and_then(last_line)
            .unwrap_or_else(|| what.to_owned()),
    };
    let loaded = match said {
        Ok(Ok(Message::Ready(loaded))) => loaded,
        Ok(Ok(_) | Err(LinkError::UnknownFrame { .. } | LinkError::OutOfTurn)) => {
            return Err(unusable("it spoke out of turn"));
        }
        Ok(Err(LinkError::Closed | LinkError::Io(_))) => return Err(unusable("it ended")),
        Err(_) => return Err(unusable("it took too long")),
    };
    let loaded: Vec<String> = serde_json::from_slice(&loaded).unwrap_or_default();
    let stream = link
        .into_stream()
        .ok_or_else(|| unusable("it spoke out of turn"))?;
    Ok(Base {
        zygote: Zygote::new(process, stream),
        loaded: loaded.into_iter().collect(),
        spares: Spares::default(),
    })
}

/// What an interpreter says last is what went wrong.
fn last_line(stderr: &OwnedFd) -> Option<String> {
    let mut text = [0; LAST_WORDS_BYTES_MAX];
    let count = rustix::io::read(stderr, &mut text[..]).ok()?;
    let text = String::from_utf8_lossy(text.get(..count)?).into_owned();
    let line = text.trim_end().lines().last()?;
    (!line.is_empty()).then(|| line.to_owned())
}

//! The applications' door, as it is seen from outside.
//!
//! Lives here: joining the gateway with what it trusts, and with the certificates that its listener shows.
//! Does not live here: what any of these does (`gateway`, `issuer`, `authority`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use gateway::TrustedProxies;
use gateway::application::{AccessLog, ApplicationHandler, Signers};
use gateway::http::{CertificateText, Tls};
use gateway::outbound::{Egress, Outbound, Roots};
use gateway::throttle::LocalCounters;
use gateway::tokens::Tokens;
use interfaces::clock::Clock;
use interfaces::invoke::Invoke;
use interfaces::random::Random;
use interfaces::service::CloudService;
use model::ids::AccountId;
use model::problem::Problem;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sandbox::policy::{Policy, Reason, Verdict, own_addresses};

use crate::authority::Authority;
use crate::issuer::Signer;
use crate::pipeline::chain;
use crate::settings::{self, FILE};
use crate::wiring::Config;

/// The one name that the authority of `dev --https` certifies, and all below it.
const LOCALHOST: &str = "localhost";

/// What the gateway is made of.
pub(crate) struct Parts {
    pub(crate) invoke: Arc<dyn Invoke>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) access_log: Arc<dyn AccessLog>,
    pub(crate) signers: Signers,
    pub(crate) issuer: Arc<Signer>,
    /// What integrations call in place of functions.
    pub(crate) services: Vec<Arc<dyn CloudService>>,
}

/// The gateway, which trusts what the settings and the environment tell it to.
pub(crate) fn gateway(parts: Parts, config: &Config, services: u16) -> ApplicationHandler {
    let roots = roots(&config.environment);
    let outbound = Outbound::new(roots.clone());
    let clock = Arc::clone(&parts.clock);
    let gateway = ApplicationHandler::new(
        parts.invoke,
        parts.clock,
        parts.random,
        parts.access_log,
        AccountId::development(),
        Arc::new(LocalCounters::default()),
        parts.signers,
    );
    let gateway = match config.limits.kept_replies_bytes {
        Some(bytes_max) => gateway.with_cache_bytes(bytes_max),
        None => gateway,
    };
    gateway
        .with_account_rate(config.limits.account_rate())
        .behind(proxies(config))
        .below(config.balancing.base_path_of_apis.as_deref())
        .trusting(roots, egress(config, services))
        .calling(parts.services)
        .verifying(Tokens::new(outbound, clock, Some(parts.issuer)))
}

/// Whose word on a request's source is believed.
pub(crate) fn proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::new(config.trusted_proxies.clone())
}

/// What the listener shows: the certificates of `[tls]`, or else one of this machine's
/// own making, whose authority is kept among these caches.
///
/// # Errors
/// A problem that names the file.
pub(crate) fn tls(
    settings: &settings::Tls,
    root: &Path,
    own: Option<&Path>,
) -> Result<Option<Shown>, Box<Problem>> {
    if settings.certificates.is_empty() && settings.keys.is_empty() {
        return own.map(of_this_machine).transpose();
    }
    let (certificates, keys) = (&settings.certificates, &settings.keys);
    if certificates.len() != keys.len() {
        let counted = format!(
            "`certificate` names {}, `key` {}",
            certificates.len(),
            keys.len()
        );
        let problem = Problem::error("server::tls", "each certificate needs its key");
        let problem = problem.because(counted);
        return Err(Box::new(problem.help(format!(
            "name as many files under `[tls]` in {FILE}, in the same order"
        ))));
    }
    let read =
        |path: &Path| fs::read(root.join(path)).map_err(|error| bad(path, &error.to_string()));
    let mut texts = Vec::with_capacity(keys.len());
    for (certificate, key) in certificates.iter().zip(keys) {
        texts.push((read(certificate)?, read(key)?));
    }
    let shown: Vec<CertificateText<'_>> = texts
        .iter()
        .map(|(certificate, key)| CertificateText { certificate, key })
        .collect();
    let tls = Tls::new(&shown).map_err(|(number, error)| {
        let path = certificates.get(number).map_or(root, |path| path.as_path());
        bad(path, &error.to_string())
    })?;
    Ok(Some(Shown {
        tls,
        authority: None,
    }))
}

/// What a listener shows, and who has to be trusted for it to be believed.
pub struct Shown {
    /// The certificates.
    pub(crate) tls: Tls,
    /// The file of the authority, when it is of this machine's own making.
    pub(crate) authority: Option<std::path::PathBuf>,
}

fn of_this_machine(cache: &Path) -> Result<Shown, Box<Problem>> {
    let folder = cache.join("localhost-authority");
    let authority = Authority::open(&folder, &[LOCALHOST], None, jiff::Timestamp::now);
    let authority = authority.map_err(|error| bad(&folder, &chain(&error)))?;
    let certificate = authority.certificate().to_path_buf();
    Ok(Shown {
        tls: Tls::choosing(Arc::new(Localhost(authority))),
        authority: Some(certificate),
    })
}

/// Whoever calls an address names no host, and is shown the certificate of `localhost`.
#[derive(Debug)]
struct Localhost(Authority);

impl ResolvesServerCert for Localhost {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.certified(hello.server_name().unwrap_or(LOCALHOST))
    }
}

fn bad(path: &Path, why: &str) -> Box<Problem> {
    let title = format!("`{}` cannot be shown to clients", path.display());
    let problem = Problem::error("server::tls", title).because(why.to_owned());
    Box::new(problem.help(format!(
        "let `certificate` and `key` under `[tls]` in {FILE} name files of PEM texts that you may read"
    )))
}

/// A client that trusts what the environment tells it to. Function URLs are answered at this port, unless it speaks TLS.
pub(crate) fn outbound(config: &Config, home: Option<u16>, services: u16) -> Outbound {
    let outbound = Outbound::within(roots(&config.environment), egress(config, services));
    match home {
        Some(port) => outbound.at_home(port),
        None => outbound,
    }
}

/// Where requests go that users name: where functions may go, too. Never to our own services, to which whoever is on this machine
/// is more than whoever may name an address.
fn egress(config: &Config, services: u16) -> Egress {
    let policy = Policy {
        own_addresses: own_addresses(),
        ..config.sandbox.policy(BTreeSet::from([services]), None)
    };
    Egress::new(move |address| match policy.decide(address) {
        Verdict::Carry => None,
        Verdict::Refuse(reason) => Some(why_closed(reason).to_owned()),
    })
}

fn why_closed(reason: Reason) -> &'static str {
    match reason {
        Reason::LinkLocal => "clouds tell their machines secrets at link-local addresses",
        Reason::NotAHost => "it is not the address of one host",
        Reason::Ours => "it is Cloudless's own port for services",
        Reason::Loopback => {
            "this machine itself is closed; `open` under `[sandbox]` in cloudless.toml opens it"
        }
        Reason::Private => {
            "private networks are closed; `open` under `[sandbox]` in cloudless.toml opens one"
        }
    }
}

/// Whose certificates are believed: those that are built in, and those of `SSL_CERT_FILE`.
pub(crate) fn roots(environment: &BTreeMap<String, String>) -> Roots {
    let path = environment.get("SSL_CERT_FILE");
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Roots::default();
    };
    let read = fs::read(path).map_err(|error| error.to_string());
    let added = read.and_then(|pem| {
        let added = Roots::default().adding(&pem);
        added.map_err(|bad| bad.to_string())
    });
    added.unwrap_or_else(|error| {
        tracing::warn!(
            error,
            path,
            "the certificates of `SSL_CERT_FILE` are not believed"
        );
        Roots::default()
    })
}

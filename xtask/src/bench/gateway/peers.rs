//! HAProxy and nginx, as Debian packages them, and the raw server behind all.
//!
//! Lives here: their configurations; each has one worker, and logs as it comes.
//! Does not live here: measuring them (`gateway`).

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::super::peers::Peers;
use super::Subject;
use super::project::KEY;
use super::token::{AUDIENCE, ISSUER};
use crate::server::{Server, Start, free_port};

const BODY: &str = r#"{"message":"hello"}"#;

/// An nginx that answers by itself.
pub(super) fn raw(peers: &Peers) -> Result<Subject> {
    let port = free_port()?;
    let server = format!(
        "access_log off;\nserver {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{BODY}'; }} }}\n"
    );
    start_nginx(peers, "raw", port, &server)
}

/// An nginx in front of it, with a cache.
pub(super) fn nginx(peers: &Peers, raw: u16) -> Result<Subject> {
    let port = free_port()?;
    let folder = peers.folder("nginx")?;
    let shown = folder.display();
    let handed_on =
        "proxy_pass http://raw; proxy_http_version 1.1; proxy_set_header Connection '';";
    let server = format!(
        "access_log {shown}/access.log;\nproxy_cache_path {shown}/cache keys_zone=kept:10m;\n\
         upstream raw {{ server 127.0.0.1:{raw}; keepalive 128; keepalive_requests 1000000000; }}\n\
         server {{ listen 127.0.0.1:{port};\n\
         location /proxy {{ {handed_on} }}\n\
         location /cached {{ proxy_cache kept; proxy_cache_valid 200 3600s; {handed_on} }}\n\
         location / {{ return 200 ''; }} }}\n"
    );
    start_nginx(peers, "nginx", port, &server)
}

fn start_nginx(peers: &Peers, name: &str, port: u16, server: &str) -> Result<Subject> {
    let folder = peers.folder(name)?;
    let shown = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String = temporary
        .iter()
        .map(|kind| format!("{kind}_temp_path {shown}/{kind};\n"))
        .collect();
    let text = format!(
        "daemon off;\nworker_processes 1;\npid {shown}/pid;\nerror_log {shown}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\nkeepalive_requests 1000000000;\n{temporary}{server}}}\n"
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text)?;
    let mut command = found("nginx")?;
    command
        .arg("-c")
        .arg(&file)
        .arg("-e")
        .arg(folder.join("early.log"));
    started(peers, name, command, port)
}

/// An HAProxy in front of it that knows a key, and counts by it.
pub(super) fn haproxy(peers: &Peers, raw: u16) -> Result<Subject> {
    let rules = format!(
        "http-request deny deny_status 403 unless {{ req.hdr(x-api-key) -m str {KEY} }}\n\
         \x20 http-request track-sc0 req.hdr(x-api-key)\n"
    );
    start_haproxy(peers, "haproxy", raw, &rules)
}

/// One that verifies a token by the key in this file, reads what ours reads of it, and counts by its subject.
pub(super) fn verifying_haproxy(peers: &Peers, raw: u16, key: &Path) -> Result<Subject> {
    let key = key.display();
    let rules = format!(
        "http-request set-var(txn.token) http_auth_bearer\n\
         \x20 http-request set-var(txn.exp) var(txn.token),jwt_payload_query('$.exp','int')\n\
         \x20 http-request set-var(txn.now) date()\n\
         \x20 http-request deny deny_status 401 unless {{ var(txn.token),jwt_verify(\"RS256\",\"{key}\") 1 }}\n\
         \x20 http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.iss') -m str {ISSUER} }}\n\
         \x20 http-request deny deny_status 401 unless {{ var(txn.token),jwt_payload_query('$.aud') -m str {AUDIENCE} }}\n\
         \x20 http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}\n\
         \x20 http-request track-sc0 var(txn.token),jwt_payload_query('$.sub')\n"
    );
    start_haproxy(peers, "haproxy-verifying", raw, &rules)
}

fn start_haproxy(peers: &Peers, name: &str, raw: u16, rules: &str) -> Result<Subject> {
    let port = free_port()?;
    let folder = peers.folder(name)?;
    let text = format!(
        "global\n  nbthread 1\n  maxconn 4096\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend guarded\n  bind 127.0.0.1:{port}\n\
         \x20 stick-table type string len 64 size 100k expire 60s store http_req_rate(1s),http_req_cnt\n\
         \x20 {rules}\
         \x20 http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 1000000 }}\n\
         \x20 default_backend raw\n\
         backend raw\n  http-reuse always\n  server raw 127.0.0.1:{raw}\n"
    );
    let file = folder.join("haproxy.cfg");
    std::fs::write(&file, text)?;
    let mut command = found("haproxy")?;
    command.args(["-db", "-f"]).arg(&file);
    started(peers, name, command, port)
}

fn started(peers: &Peers, name: &str, command: Command, port: u16) -> Result<Subject> {
    let log = peers.work.join(format!("{name}.log"));
    let server = Server::start(Start {
        command,
        log: &log,
        port,
        ready_path: "/",
    })?;
    Ok(Subject { server, port })
}

/// Debian puts both where only the administrator's `PATH` leads.
fn found(name: &str) -> Result<Command> {
    let path = Path::new("/usr/sbin").join(name);
    path.exists().then(|| Command::new(&path)).with_context(|| {
        format!(
            "{} is missing: `apt-get install haproxy nginx` brings both peers",
            path.display()
        )
    })
}

/// What is measured, with versions.
pub(super) fn versions() -> Result<String> {
    let first_line = |text: Vec<u8>| {
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().next().unwrap_or_default().to_owned()
    };
    let nginx = found("nginx")?.arg("-v").output()?;
    let haproxy = found("haproxy")?.arg("-v").output()?;
    let nginx = first_line(nginx.stderr).replace("nginx version: ", "");
    let haproxy = first_line(haproxy.stdout);
    let haproxy = haproxy.split(" - ").next().unwrap_or_default();
    Ok(format!(
        "{nginx} with one worker and its access log, {haproxy} with one thread and no log; Cloudless writes a line a request. \
         HAProxy checks a key, or a token (`jwt_verify`, issuer, audience, expiry), and counts by it in a stick table. The raw server is an nginx that answers by itself."
    ))
}

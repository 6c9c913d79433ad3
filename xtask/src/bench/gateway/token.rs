//! A token, and the key by which HAProxy verifies it: those of our development issuer.
//!
//! Lives here: having the token signed, turning the issuer's key into a file that HAProxy reads.
//! Does not live here: who asks for the token (`project`, `peers`).

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::super::peers::Peers;
use crate::http::{self, Connection};

/// Whom it is from and for.
pub(super) const ISSUER: &str = "https://issuer.example/";
pub(super) const AUDIENCE: &str = "bench";

/// A JSON Web Key, on the standard input, as a PEM file (RFC 5280, `SubjectPublicKeyInfo`).
const AS_PEM: &str = r#"
import base64, json, sys
def der(tag, body):
    n = len(body)
    size = bytes([n]) if n < 128 else bytes([0x82]) + n.to_bytes(2, "big")
    return bytes([tag]) + size + body
def number(text):
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).lstrip(b"\0")
    return der(2, (b"\0" if raw[0] & 0x80 else b"") + raw)
key = json.load(sys.stdin)["keys"][0]
pair = der(0x30, number(key["n"]) + number(key["e"]))
kind = der(0x30, bytes.fromhex("06092a864886f70d010101") + b"\x05\x00")
text = base64.encodebytes(der(0x30, kind + der(3, b"\0" + pair))).decode()
print("-----BEGIN PUBLIC KEY-----\n" + text + "-----END PUBLIC KEY-----")
"#;

/// A token that holds for longer than any benchmark lasts.
pub(super) fn signed(peers: &Peers, folder: &Path) -> Result<String> {
    let mut command = peers.command(&peers.cloudless);
    command.arg("token").arg(folder);
    command.args(["--issuer", ISSUER, "--audience", AUDIENCE]);
    command.args(["--claims", r#"{"sub":"bench"}"#, "--expires-in-s", "86400"]);
    said(&mut command)
}

/// The file of the key that our services' listener publishes.
pub(super) fn key_file(peers: &Peers, services_port: u16) -> Result<PathBuf> {
    let request = http::get("/_cloudless/issuer/.well-known/jwks.json");
    let (reply, _) = Connection::open(services_port)?.exchange(&request)?;
    let folder = peers.folder("haproxy-key")?;
    let (keys, file) = (folder.join("keys.json"), folder.join("key.pem"));
    std::fs::write(&keys, reply.body.as_bytes())?;
    let mut command = Command::new("python3");
    command
        .args(["-c", AS_PEM])
        .stdin(std::fs::File::open(&keys)?);
    std::fs::write(&file, said(&mut command)? + "\n")?;
    Ok(file)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

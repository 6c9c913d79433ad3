//! Builds the native half of forking Node.js, which the product carries within itself.
//!
//! Lives here: for which machines it is built, and how the compiler is called.
//! Does not live here: what it does (`native/src/lib.rs`), where it is unpacked to (`src/process/bootstrap`).
//!
//! It is a library that Node.js loads, so it cannot be linked in as other crates are, and cargo on stable cannot embed a
//! sibling's. It has no dependencies, so one call of the compiler makes it. Where Node.js cannot be forked, an empty
//! file stands for it.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCES: &str = "native/src";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={SOURCES}");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let addon = PathBuf::from(variable("OUT_DIR")?).join("cloudless.node");
    if !is_forkable()? {
        return Ok(fs::write(addon, [])?);
    }
    compile(&addon)
}

/// Whether processes of Node.js can be forked there: the addon calls Linux, and glibc as its 64-bit machines have it.
fn is_forkable() -> Result<bool, Box<dyn Error>> {
    let is = |name: &str, one_of: &[&str]| -> Result<bool, Box<dyn Error>> {
        let value = variable(&format!("CARGO_CFG_TARGET_{name}"))?;
        Ok(one_of.iter().any(|one| value == **one))
    };
    Ok(is("OS", &["linux"])? && is("ENV", &["gnu"])? && is("ARCH", &["x86_64", "aarch64"])?)
}

fn compile(addon: &Path) -> Result<(), Box<dyn Error>> {
    let mut compiler = Command::new(variable("RUSTC")?);
    compiler
        .args(["--crate-name", "cloudless_native"])
        .args(["--crate-type", "cdylib"])
        .args(["--edition", "2024"])
        .args(["-C", "opt-level=3"])
        .args(["-C", "lto=fat"])
        .args(["-C", "codegen-units=1"])
        .args(["-C", "panic=abort"])
        .args(["-C", "strip=symbols"])
        // The lints of this code are checked where it is a crate; here it is only built.
        .args(["--cap-lints", "allow"])
        .arg("--target")
        .arg(variable("TARGET")?)
        .arg("-o")
        .arg(addon)
        .arg(Path::new(SOURCES).join("lib.rs"));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        compiler.arg("-C").arg(linker_option(&linker));
    }
    let status = compiler.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the native half of forking Node.js could not be built: {status}").into())
    }
}

fn linker_option(linker: &OsString) -> OsString {
    let mut option = OsString::from("linker=");
    option.push(linker);
    option
}

/// A variable that cargo sets for build scripts.
fn variable(name: &str) -> Result<OsString, Box<dyn Error>> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}").into())
}

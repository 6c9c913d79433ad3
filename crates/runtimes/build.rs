//! Builds the native half of forking Node.js, and the way into a sandbox, which the product carries within itself.
//!
//! Lives here: for which machines it is built, and how the compiler is called.
//! Does not live here: what it does (`native/src/lib.rs`), where it is unpacked to (`src/process/bootstrap`).
//!
//! They are libraries that interpreters load, so they cannot be linked in as other crates are, and cargo on stable cannot
//! embed a sibling's. They have no dependencies, so one call of the compiler makes each. Where Node.js cannot be forked,
//! empty files stand for them.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is built, from which source.
const LIBRARIES: [(&str, &str, &str); 2] = [
    ("cloudless.node", "cloudless_native", "native/src/lib.rs"),
    (
        "cloudless_entry.so",
        "cloudless_entry",
        "native/entry/lib.rs",
    ),
];
const SOURCES: [&str; 2] = ["native", "../sandbox/src/entry"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    for folder in SOURCES {
        println!("cargo::rerun-if-changed={folder}");
    }
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let is_forkable = is_forkable()?;
    for (file, name, source) in LIBRARIES {
        let library = PathBuf::from(variable("OUT_DIR")?).join(file);
        if is_forkable {
            compile(&library, name, source)?;
        } else {
            fs::write(library, [])?;
        }
    }
    Ok(())
}

/// Whether processes of Node.js can be forked there: the addon calls Linux, and glibc as its 64-bit machines have it.
fn is_forkable() -> Result<bool, Box<dyn Error>> {
    let is = |name: &str, one_of: &[&str]| -> Result<bool, Box<dyn Error>> {
        let value = variable(&format!("CARGO_CFG_TARGET_{name}"))?;
        Ok(one_of.iter().any(|one| value == **one))
    };
    Ok(is("OS", &["linux"])? && is("ENV", &["gnu"])? && is("ARCH", &["x86_64", "aarch64"])?)
}

fn compile(library: &Path, name: &str, source: &str) -> Result<(), Box<dyn Error>> {
    let mut compiler = Command::new(variable("RUSTC")?);
    compiler
        .args(["--crate-name", name])
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
        .arg(library)
        .arg(source);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        compiler.arg("-C").arg(linker_option(&linker));
    }
    let status = compiler.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{source}` could not be built: {status}").into())
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

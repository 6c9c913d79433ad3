//! Bootstraps and extensions in Python, which speak the API in as many lines as the test is about.

use std::path::Path;

use crate::bootstraps::{empty, put};
use crate::harness::{Bench, Lang, interpreter};

/// Writes a program in Python that knows how to speak the API.
fn put_python(path: &Path, source: &str) {
    let (python, _) = interpreter(Lang::Python);
    let client = include_str!("programs/client.py");
    let whole = format!("#!{} -S\n{client}\n{source}", python.display());
    put(path, whole.as_bytes());
}

/// A function whose bootstrap is this program in Python.
pub fn python_bootstrap(source: &str) -> Bench {
    let mut bench = empty("provided.al2023", "any");
    put_python(&bench.path("task/bootstrap"), source);
    show_python(&mut bench);
    bench
}

fn show_python(bench: &mut Bench) {
    show_interpreter(bench, Lang::Python);
}

/// Where it is no part of the system, a function sees of an interpreter what belongs to it.
pub fn show_interpreter(bench: &mut Bench, language: Lang) {
    let (program, _) = interpreter(language);
    let installation = program.ancestors().nth(2).unwrap();
    if !installation.starts_with("/usr") {
        let shown = &mut bench.function.toolchain.sdk_paths;
        shown.push(installation.to_owned());
    }
}

/// Adds a layer with an extension of this name.
pub fn add_extension(bench: &mut Bench, name: &str, source: &str) {
    let layer = bench.path(&format!("layer-of-{name}"));
    put_python(&layer.join("extensions").join(name), source);
    show_python(bench);
    bench.function.layers.push(layer);
}

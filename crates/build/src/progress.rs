//! Telling whoever waits what is being installed.
//!
//! Lives here: the seam between the builder and whatever draws progress.
//! Does not live here: how it is drawn (the command line).

/// Is told what takes long. Called from the builder's task, so it must not wait.
pub trait Progress: Send + Sync {
    /// An installation has begun, as `AWS SDK for Python`.
    fn started(&self, what: &str);

    /// The tool that installs has said something.
    fn advanced(&self, what: &str, note: &str);

    /// The installation has ended, well or not; a failure is among the problems.
    fn finished(&self, what: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn started(&self, _what: &str) {}

    fn advanced(&self, _what: &str, _note: &str) {}

    fn finished(&self, _what: &str) {}
}

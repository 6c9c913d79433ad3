//! A program that makes sandboxes when it is told to, and does nothing else: for the tests.
//!
//! Lives here: its start.
//! Does not live here: what it does (`maker`).

fn main() {
    if std::env::args_os()
        .next_back()
        .is_some_and(|last| last == sandbox::MAKER_ARGUMENT)
    {
        sandbox::run_as_maker()
    }
}

//! The binary: picks the allocator and hands over to the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cloudless::walls::make_sandboxes_if_told();
    cloudless::run(std::env::args_os())
}

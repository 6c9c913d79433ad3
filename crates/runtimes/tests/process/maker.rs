//! The process that makes sandboxes, which is this very program, and what is served in them.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The only test that is run in the process that makes sandboxes: it is never done there.
const TEST: &str = "maker::becomes_the_maker_when_it_is_started_as_one";

/// This program, told to become the maker.
pub fn program() -> sandbox::MakerProgram {
    let arguments = ["--exact", TEST, "--nocapture", "--test-threads=1", "--"];
    sandbox::MakerProgram {
        path: std::env::current_exe().unwrap(),
        arguments: arguments.map(Into::into).into(),
    }
}

/// Becomes the maker, if this process is to be it.
pub fn become_maker() {
    if std::env::args_os()
        .next_back()
        .is_some_and(|last| last == sandbox::MAKER_ARGUMENT)
    {
        sandbox::run_as_maker()
    }
}

#[test]
fn becomes_the_maker_when_it_is_started_as_one() {
    become_maker();
}

/// Stands for the cloud's services: says "here" to whoever connects.
pub async fn answer(listener: std::net::TcpListener) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut asked = [0; 1_024];
        let _ = stream.read(&mut asked).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhere")
            .await;
    }
}

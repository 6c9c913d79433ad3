//! The listener with threads of its own: where connections are served, and that it ends in order all the same.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests own their server and their client"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway::http::{Drained, Handler, Request, Response, Server, ServerLimits, Threads};
use http::StatusCode;
use interfaces::BoxFuture;
use test_kit::RunningClock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

/// Says which runtime it runs on.
struct Whereabouts;

impl Handler for Whereabouts {
    fn handle(&self, _: Request) -> BoxFuture<'_, Response> {
        Box::pin(async {
            let id = Handle::current().id();
            Response::new(StatusCode::OK, format!("on {id:>9}!"))
        })
    }
}

async fn ask(connection: &mut TcpStream) -> String {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    connection.write_all(request).await.unwrap();
    let mut answer = String::new();
    while !answer.ends_with('!') {
        let byte = connection.read_u8().await.unwrap();
        answer.push(char::from(byte));
    }
    answer.split("on ").last().unwrap_or_default().to_owned()
}

fn thread() -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build().unwrap()
}

#[tokio::test]
async fn connections_are_spread_over_the_threads_and_stay_there() {
    let runtimes = [thread(), thread()];
    let threads = Threads::new(runtimes.iter().map(|runtime| runtime.handle().clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = Server::new(ServerLimits::default(), Arc::new(RunningClock)).on(threads);
    let serving = tokio::spawn(server.serve(listener, Arc::new(Whereabouts), shutdown.clone()));

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let first = ask(&mut connection).await;
        assert_eq!(ask(&mut connection).await, first);
        *counts.entry(first).or_default() += 1;
        connections.push(connection);
    }
    assert_eq!(counts.values().collect::<Vec<_>>(), [&2, &2]);
    let own = format!("{:>9}!", Handle::current().id());
    assert!(!counts.contains_key(&own));

    shutdown.cancel();
    let drained = serving.await.unwrap();
    assert_eq!(drained, Drained { connections_cut: 0 });
    for runtime in runtimes {
        runtime.shutdown_background();
    }
}

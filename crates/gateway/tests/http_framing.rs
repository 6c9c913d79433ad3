//! The framing reader: where the network cuts a stream changes nothing, and no bytes make it panic.
#![allow(clippy::unwrap_used, reason = "tests")]

use gateway::http::{DissectionEnd, HostForm, ServerLimits, dissect};
use proptest::prelude::*;

/// Small limits, so that random streams meet them.
fn limits() -> ServerLimits {
    ServerLimits {
        head_bytes_max: 160,
        headers_max: 5,
        ..ServerLimits::default()
    }
}

/// Pieces of requests, sound and broken, that random streams are made of.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "POST /a?b HTTP/1.1\r\n",
        "GET http://x/y HTTP/1.0\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "Host: a\r\n",
        "Host:a\r\n",
        "host: \t b \t\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n",
        "X: y\r\n",
        " folded\r\n",
        "\r\n",
        "\n",
        "\r",
        "hello",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\nT: u\r\n\r\n",
        "2;x=y\r\nab\r\n",
        "ffffffffffffffff\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
        "Expect: 100-continue\r\n",
    ]);
    prop_oneof![
        12 => known.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => (0_usize..400).prop_map(|bytes| vec![b'x'; bytes]),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let whole = Just(
        b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            .to_vec(),
    );
    let request = prop_oneof![1 => whole, 3 => prop::collection::vec(fragment(), 0..8).prop_map(|parts| parts.concat())];
    prop::collection::vec(request, 0..4).prop_map(|requests| requests.concat())
}

/// Cuts a stream into pieces of these sizes, over and over.
fn pieces<'a>(stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = stream;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn where_a_stream_is_cut_changes_nothing(stream in stream(), sizes in prop::collection::vec(1_usize..40, 1..5)) {
        let whole = dissect([stream.as_slice()], &limits(), HostForm::Authority);
        prop_assert_eq!(&dissect(pieces(&stream, &[1]), &limits(), HostForm::Authority), &whole);
        prop_assert_eq!(&dissect(pieces(&stream, &sizes), &limits(), HostForm::Authority), &whole);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(stream in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = dissect([stream.as_slice()], &ServerLimits::default(), HostForm::Authority);
    }
}

#[test]
fn a_stream_is_taken_apart_into_its_requests() {
    let stream =
        b"POST /p HTTP/1.1\r\nHOST: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
        PUT /q HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET /r HTT";
    let dissection = dissect([&stream[..]], &ServerLimits::default(), HostForm::Authority);
    let bodies: Vec<&[u8]> = dissection
        .requests
        .iter()
        .map(|request| &request.body[..])
        .collect();
    assert_eq!(bodies, [&b"abc"[..], b"xy"]);
    assert_eq!(dissection.end, DissectionEnd::Partial);
}

#[test]
fn a_host_with_a_scheme_is_taken_by_the_listener_of_services_alone() {
    for (host, ours, of_services) in [
        ("a:1", DissectionEnd::Clean, DissectionEnd::Clean),
        (
            "http://a:1",
            DissectionEnd::Refused(400),
            DissectionEnd::Clean,
        ),
        (
            "https://a/b",
            DissectionEnd::Refused(400),
            DissectionEnd::Refused(400),
        ),
        (
            "ftp://a",
            DissectionEnd::Refused(400),
            DissectionEnd::Refused(400),
        ),
    ] {
        let stream = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        for (hosts, end) in [
            (HostForm::Authority, ours),
            (HostForm::Address, of_services),
        ] {
            let dissection = dissect([stream.as_bytes()], &ServerLimits::default(), hosts);
            assert_eq!(dissection.end, end, "{host}");
        }
    }
}

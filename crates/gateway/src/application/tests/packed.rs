//! Compression on the way, in both directions.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use super::*;

fn packing(act: Act) -> Bench {
    let bench = bench(act);
    let mut application = application();
    application.rest_apis[0].minimum_compression_bytes = Some(10);
    bench.handler.swap(&application);
    bench
}

#[tokio::test]
async fn a_reply_is_compressed_for_who_wants_it() {
    let bench = packing(Act::Return(r#"{"statusCode":200,"body":"0123456789"}"#));
    for (target, accepted, coding) in [
        (REST, "gzip", Some("gzip")),
        (REST, "br", None),
        (HTTP, "gzip", None),
    ] {
        let response = bench
            .send("POST", target, &[("Accept-Encoding", accepted)], b"")
            .await;
        assert_eq!(
            header(&response, "content-encoding"),
            coding,
            "{target} {accepted}"
        );
        let ResponseBody::Whole(body) = &response.body else {
            panic!("a whole body");
        };
        let mut text = String::new();
        match coding {
            Some(_) => GzDecoder::new(&**body).read_to_string(&mut text).unwrap(),
            None => (&**body).read_to_string(&mut text).unwrap(),
        };
        assert_eq!(text, "0123456789");
    }
}

#[tokio::test]
async fn a_function_sees_what_was_compressed_as_it_was() {
    let bench = packing(Act::Echo);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"hello").unwrap();
    let packed = encoder.finish().unwrap();
    let sent = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")];
    let response = bench.send("POST", REST, &sent, &packed).await;
    let event: serde_json::Value = serde_json::from_str(&text(&response)).unwrap();
    assert_eq!(event["body"], "hello");
    assert_eq!(event["headers"].get("Content-Encoding"), None);
    for (coding, body) in [("br", &packed[..]), ("gzip", b"hello")] {
        let response = bench
            .send("POST", REST, &[("Content-Encoding", coding)], body)
            .await;
        assert_eq!(response.status.as_u16(), 415, "{coding}");
    }
    // An API that does not compress hands bodies on as they came.
    let response = bench
        .send("POST", HTTP, &[("Content-Encoding", "br")], b"hello")
        .await;
    assert_eq!(response.status.as_u16(), 200);
}

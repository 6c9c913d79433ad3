//! Replies that come in pieces: a head, then the body.
//!
//! Lives here: finding the head at the beginning of a stream, and what it says.
//! Does not live here: handing the pieces on (`application::streamed`), whole replies (`v1`, `v2`).
//!
//! Contract: AWS Lambda Developer Guide, "Response streaming for Lambda functions": JSON, eight zero bytes, the body;
//! Amazon API Gateway Developer Guide, "Set up a Lambda proxy integration with payload response streaming": the zero
//! bytes come within the first 16 KB.
//! Differs: a function URL's limit for the head is not written down, so it is the same.

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use interfaces::reply_stream::{HTTP_INTEGRATION_RESPONSE, ReplyStream};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::headers::{self, Headers};
use super::v1::{bad_shape, header_text, merged};
use super::wire::{self, BadReply};

/// Zero bytes between head and body.
const DELIMITER: [u8; 8] = [0; 8];
/// The head with its delimiter.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Whose reply it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// A REST API's: it must have a head.
    Rest,
    /// A function URL's: without a head it is a 200 of the stream's content type.
    FunctionUrl,
}

/// The beginning of a response.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) status: StatusCode,
    pub(crate) headers: Headers,
    /// What came of the body together with the head.
    pub(crate) first: Bytes,
}

/// Why a stream does not begin as a response.
#[derive(Debug)]
pub(crate) enum NotBegun {
    /// Its head is none.
    Bad(BadReply),
    /// It ended before its head did: its end says why.
    Ended,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Head<'a> {
    #[serde(rename = "statusCode", borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
    #[serde(rename = "multiValueHeaders", borrow)]
    multi_value_headers: Option<&'a RawValue>,
    #[serde(borrow)]
    cookies: Option<&'a RawValue>,
}

/// Waits for the head of a stream.
pub(crate) async fn begin(stream: &mut ReplyStream, of: Of) -> Result<Begun, NotBegun> {
    if of == Of::FunctionUrl && stream.content_type != HTTP_INTEGRATION_RESPONSE {
        let content_type = headers::value_of(&stream.content_type);
        return Ok(Begun {
            status: StatusCode::OK,
            headers: vec![("content-type".to_owned(), content_type)],
            first: Bytes::new(),
        });
    }
    let mut read = BytesMut::new();
    loop {
        let piece = stream.next().await.ok_or(NotBegun::Ended)?;
        // The delimiter may begin in the piece before.
        let looked_at = read.len().saturating_sub(DELIMITER.len());
        read.extend_from_slice(&piece);
        let unseen = read.get(looked_at..).unwrap_or_default();
        if let Some(at) = memchr::memmem::find(unseen, &DELIMITER) {
            let head = read.split_to(looked_at + at);
            let first = read.split_off(DELIMITER.len()).freeze();
            return parse(&head, first, of).map_err(NotBegun::Bad);
        }
        if HEAD_BYTES_MAX < read.len() {
            return Err(NotBegun::Bad(BadReply::NoStreamHead {
                bytes_max: HEAD_BYTES_MAX,
            }));
        }
    }
}

fn parse(head: &[u8], first: Bytes, of: Of) -> Result<Begun, BadReply> {
    let head: Head<'_> = serde_json::from_slice(head).map_err(bad_shape)?;
    let mut response_headers = Headers::new();
    let mut push = |name: &str, value: &str| match of {
        Of::Rest => headers::push_rest(&mut response_headers, name, value),
        Of::FunctionUrl => headers::push_http(&mut response_headers, name, value),
    };
    for header in merged(head.headers, head.multi_value_headers)? {
        for value in &header.values {
            push(&header.name, value)?;
        }
    }
    for raw in wire::elements("cookies", head.cookies)?.0 {
        if let Some(cookie) = header_text("set-cookie", raw)? {
            push("set-cookie", &cookie)?;
        }
    }
    if !headers::contains(&response_headers, "content-type") {
        let default = match of {
            Of::Rest => "application/json",
            Of::FunctionUrl => "application/octet-stream",
        };
        let default = HeaderValue::from_static(default);
        response_headers.push(("Content-Type".to_owned(), default));
    }
    Ok(Begun {
        status: wire::status(head.status)?.unwrap_or(StatusCode::OK),
        headers: response_headers,
        first,
    })
}

#[cfg(test)]
mod tests {
    use interfaces::reply_stream;
    use tokio::sync::oneshot;

    use super::*;

    async fn begun(content_type: &str, pieces: &[&[u8]], of: Of) -> Result<String, String> {
        let (sink, mut source) = reply_stream::channel();
        sink.begin(content_type.to_owned()).await.unwrap();
        let content_type = source.begun().await.unwrap();
        let (_, end) = oneshot::channel();
        let mut stream = source.into_stream(content_type, end);
        for piece in pieces {
            sink.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        drop(sink);
        match begin(&mut stream, of).await {
            Ok(begun) => {
                let shown = begun.headers.iter().map(|(name, value)| {
                    format!("{name}={}", String::from_utf8_lossy(value.as_bytes()))
                });
                let shown: Vec<String> = shown.collect();
                let first = String::from_utf8_lossy(&begun.first).into_owned();
                Ok(format!(
                    "{} {} {first}",
                    begun.status.as_u16(),
                    shown.join(",")
                ))
            }
            Err(NotBegun::Bad(bad)) => Err(bad.to_string()),
            Err(NotBegun::Ended) => Err("ended".to_owned()),
        }
    }

    #[tokio::test]
    async fn a_head_is_read_however_it_is_cut_into_pieces() {
        let whole = b"{\"statusCode\":201,\"headers\":{\"X-A\":\"1\"},\"cookies\":[\"c=d\"]}\0\0\0\0\0\0\0\0body";
        let expected = "201 x-a=1,set-cookie=c=d,Content-Type=application/octet-stream ";
        for cut in 1..whole.len() - 4 {
            let (one, two) = whole.split_at(cut);
            let found = begun(HTTP_INTEGRATION_RESPONSE, &[one, two], Of::FunctionUrl).await;
            assert_eq!(found.unwrap(), format!("{expected}body"), "{cut}");
        }
    }

    #[tokio::test]
    async fn a_function_url_takes_a_stream_without_a_head() {
        let found = begun("text/event-stream", &[b"data"], Of::FunctionUrl).await;
        assert_eq!(found.unwrap(), "200 content-type=text/event-stream ");
        let found = begun("text/event-stream", &[b"data"], Of::Rest).await;
        assert_eq!(found.unwrap_err(), "ended");
    }

    #[tokio::test]
    async fn a_rest_api_keeps_names_as_sent_and_renames_some() {
        let head = b"{\"multiValueHeaders\":{\"X-Mv\":[\"a\",\"b\"]},\"headers\":{\"Server\":\"s\"}}\0\0\0\0\0\0\0\0";
        let found = begun("any", &[head], Of::Rest).await;
        assert_eq!(
            found.unwrap(),
            "200 X-Mv=a,X-Mv=b,x-amzn-Remapped-Server=s,Content-Type=application/json "
        );
    }

    #[tokio::test]
    async fn what_is_no_head_is_refused() {
        let endless = vec![b' '; HEAD_BYTES_MAX + 1];
        for (pieces, expected) in [
            (&[b"{}".as_slice()][..], "ended"),
            (&[b"[1]\0\0\0\0\0\0\0\0"], "not the object"),
            (&[b"{\"statusCode\":99}\0\0\0\0\0\0\0\0"], "from 200 to 599"),
            (
                &[b"{\"headers\":{\"a\":\"b\\r\\nc: d\"}}\0\0\0\0\0\0\0\0"],
                "line break",
            ),
            (&[&endless], "eight zero bytes"),
        ] {
            let found = begun("any", pieces, Of::Rest).await.unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
    }
}

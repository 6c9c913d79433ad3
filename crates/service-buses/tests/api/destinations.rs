//! Addresses that events are sent to.

use std::sync::Arc;

use interfaces::event_sink::SinkError;
use model::time::Timestamp;
use serde_json::{Value, json};
use store::{Batch, Range, Store, all_rows};
use store_embedded::Memory;
use test_kit::StoppedClock;

use super::Server;

/// A rule whose target is a destination with this connection, and one event through it.
async fn sent(kind: &str, parameters: Value, statuses: &[u16]) -> (Server, Result<(), SinkError>) {
    let clock = StoppedClock::at(Timestamp::from_micros(0));
    let server = Server::over(Arc::new(Memory::new()), Arc::new(clock));
    server.asked.statuses.lock().unwrap().extend(statuses);
    let connection = json!({"Name": "c", "AuthorizationType": kind, "AuthParameters": parameters});
    let (_, connection) = server.events("CreateConnection", connection).await;
    let destination = json!({
        "Name": "d", "ConnectionArn": connection["ConnectionArn"], "InvocationEndpoint": "https://example.com/*/hook",
        "HttpMethod": "PUT",
    });
    let (_, destination) = server.events("CreateApiDestination", destination).await;
    let target = json!({
        "Id": "1", "Arn": destination["ApiDestinationArn"],
        "HttpParameters": {
            "PathParameterValues": ["a b"], "QueryStringParameters": {"q": "1"}, "HeaderParameters": {"X-Own": "h"},
        },
    });
    server
        .rule(
            json!({"Name": "r", "EventPattern": "{\"source\": [\"s\"]}"}),
            target,
        )
        .await;
    let entries = json!({"Entries": [{"Source": "s", "DetailType": "t", "Detail": "{\"n\": 1}"}]});
    server.events("PutEvents", entries).await;
    let delivery = server.deliveries().await.pop().unwrap();
    let sink = server.service.sink();
    assert!(sink.serves(&delivery.target));
    let taken = sink
        .take(&delivery.target, &delivery.sender, &delivery.message)
        .await;
    (server, taken)
}

fn headers(server: &Server, number: usize) -> Value {
    let requests = server.asked.requests.lock().unwrap();
    let named = requests[number].headers.iter();
    named
        .map(|(name, value)| (name.to_lowercase(), value.clone().into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test]
async fn an_event_is_sent_with_the_connections_authorization_and_the_targets_parameters() {
    let basic = json!({
        "BasicAuthParameters": {"Username": "u", "Password": "p"},
        "InvocationHttpParameters": {"BodyParameters": [{"Key": "more", "Value": "b"}]},
    });
    let (server, taken) = sent("BASIC", basic, &[]).await;
    taken.unwrap();
    {
        let requests = server.asked.requests.lock().unwrap();
        assert_eq!(requests[0].url, "https://example.com/a%20b/hook?q=1");
        assert_eq!(requests[0].method, http::Method::PUT);
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        assert_eq!(
            (&body["detail"], &body["more"]),
            (&json!({"n": 1}), &json!("b"))
        );
    }
    let headers = headers(&server, 0);
    assert_eq!(
        (&headers["authorization"], &headers["x-own"]),
        (&json!("Basic dTpw"), &json!("h"))
    );
    let (_, shown) = server
        .events("DescribeConnection", json!({"Name": "c"}))
        .await;
    assert!(!shown.to_string().contains("\"p\""), "{shown}");
}

#[tokio::test]
async fn keys_and_tokens_are_sent_too() {
    let key = json!({"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "k"}});
    let (server, taken) = sent("API_KEY", key, &[]).await;
    taken.unwrap();
    assert_eq!(headers(&server, 0)["x-key"], "k");
    let oauth = json!({"OAuthParameters": {
        "AuthorizationEndpoint": "https://id.example.com/token", "HttpMethod": "POST",
        "ClientParameters": {"ClientID": "i", "ClientSecret": "s"},
    }});
    let (server, taken) = sent("OAUTH_CLIENT_CREDENTIALS", oauth, &[]).await;
    taken.unwrap();
    assert_eq!(headers(&server, 1)["authorization"], "Bearer t0");
    let requests = server.asked.requests.lock().unwrap();
    let form = String::from_utf8_lossy(&requests[0].body).into_owned();
    assert_eq!(
        form,
        "grant%5Ftype=client%5Fcredentials&client%5Fid=i&client%5Fsecret=s"
    );
}

#[tokio::test]
async fn an_answer_says_whether_another_try_can_help() {
    let key = || json!({"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "k"}});
    for (status, again) in [
        (429, true),
        (503, true),
        (401, true),
        (404, false),
        (400, false),
    ] {
        let (_, taken) = sent("API_KEY", key(), &[status]).await;
        let is_transient = matches!(taken, Err(SinkError::Transient { .. }));
        assert_eq!((taken.is_err(), is_transient), (true, again), "{status}");
    }
}

#[tokio::test]
async fn what_connections_hold_is_sealed_also_what_was_plain_before() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let at = || Arc::new(StoppedClock::at(Timestamp::from_micros(0)));
    let server = Server::over(Arc::clone(&store), at());
    let connection = json!({
        "Name": "c", "AuthorizationType": "API_KEY",
        "AuthParameters": {"ApiKeyAuthParameters": {"ApiKeyName": "n", "ApiKeyValue": "TOP-SECRET"}},
    });
    server.events("CreateConnection", connection).await;
    let rows = async || {
        all_rows(&*store, Range::of_prefix(Vec::new()))
            .await
            .unwrap()
    };
    let is_plain = |value: &[u8]| value.windows(10).any(|it| it == b"TOP-SECRET");
    let turned = |value: &[u8]| value.iter().rev().copied().collect::<Vec<u8>>();
    let there = rows().await;
    assert!(!there.iter().any(|row| is_plain(&row.value)));
    // As an earlier version left it: without the mark, and not turned around.
    let row = there.iter().find(|row| is_plain(&turned(&row.value)));
    let row = row.unwrap();
    let plain = turned(row.value.get(1..).unwrap());
    let batch = Batch::new().put(row.key.to_vec(), plain);
    store.commit(batch).await.unwrap();
    let server = Server::over(Arc::clone(&store), at());
    let (status, shown) = server
        .events("DescribeConnection", json!({"Name": "c"}))
        .await;
    let parameters = &shown["AuthParameters"]["ApiKeyAuthParameters"];
    assert_eq!((status, &parameters["ApiKeyName"]), (200, &json!("n")));
    assert!(!rows().await.iter().any(|row| is_plain(&row.value)));
}

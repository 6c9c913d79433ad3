//! Lists of objects, against a model that sorts and filters.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use interfaces::principals::{Key, Principals};
use interfaces::service::{CloudService, ServiceCall};
use model::function::Function;
use model::ids::{AccountId, Region, RequestId};
use model::principal::{Credentials, Principal};
use model::time::Timestamp;
use outbox::Outbox;
use proptest::prelude::*;
use service_objects::{NewBuckets, Parts, Service};
use store::Store;
use store_embedded::Memory;
use test_kit::{Allowing, CountingRandom, StoppedClock};

struct Nobody;

impl Principals for Nobody {
    fn find(&self, _access_key_id: &str) -> Key {
        Key::Unknown
    }

    fn issue(&self, _function: &Function) -> Credentials {
        panic!("no function asks here")
    }

    fn revoke(&self, _access_key_id: &str) {}
}

fn service() -> Service {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    Service::new(Parts {
        outbox: Outbox::new(Arc::clone(&store)),
        store,
        folder: None,
        clock: Arc::new(StoppedClock::at(Timestamp::from_micros(
            1_700_000_000_000_000,
        ))),
        random: Arc::new(CountingRandom::default()),
        authorize: Arc::new(Allowing),
        principals: Arc::new(Nobody),
        buckets: NewBuckets::Guarded,
    })
}

async fn call(service: &Service, method: Method, target: &str) -> String {
    let account = AccountId::development();
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost"));
    headers.insert("content-length", HeaderValue::from_static("0"));
    let answer = service
        .execute(ServiceCall {
            request_id: RequestId::new("r"),
            caller: Principal::Root {
                account: account.clone(),
            },
            account,
            region: Region::new("us-east-1"),
            method,
            path_and_query: target.to_owned(),
            headers,
            body: bytes::Bytes::new(),
            stream: None,
        })
        .await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert!(answer.status < 300, "{target}: {text}");
    text
}

/// The texts of an element.
fn texts(document: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    document
        .split(&open)
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(&close)?.0.to_owned()))
        .collect()
}

/// All lines of a list, page by page: keys, and what stands for several.
async fn listed(service: &Service, prefix: &str, delimiter: &str, max: usize) -> Vec<String> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let target = format!(
            "/bucket?list-type=2&prefix={prefix}&delimiter={delimiter}&max-keys={max}{token}"
        );
        let page = call(service, Method::GET, &target).await;
        let mut lines = texts(&page, "Key");
        for common in texts(&page, "CommonPrefixes") {
            lines.extend(texts(&common, "Prefix"));
        }
        assert!(lines.len() <= max, "a page is too long");
        lines.sort_unstable();
        all.extend(lines);
        match texts(&page, "NextContinuationToken").pop() {
            Some(next) => token = format!("&continuation-token={}", next.replace('=', "%3D")),
            None => return all,
        }
    }
}

/// What the list should be.
fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: &str) -> Vec<String> {
    let mut lines = BTreeSet::new();
    for key in keys.iter().filter(|key| key.starts_with(prefix)) {
        let rest = key.strip_prefix(prefix).unwrap();
        let cut = (!delimiter.is_empty())
            .then(|| rest.find(delimiter))
            .flatten();
        lines.insert(match cut {
            Some(at) => format!("{prefix}{}{delimiter}", &rest[..at]),
            None => key.clone(),
        });
    }
    lines.into_iter().collect()
}

fn key() -> impl Strategy<Value = String> {
    // Few letters, so that prefixes and delimiters meet often; one sorts after the delimiter, one before.
    prop::collection::vec(prop::sample::select(vec!['a', 'b', '/', '-']), 1..5)
        .prop_map(|letters| letters.into_iter().collect::<String>())
        .prop_filter("a path has no empty start", |key| !key.starts_with('/'))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_page_of_every_list_is_that_of_the_model(
        put in prop::collection::vec(key(), 0..20),
        deleted in prop::collection::vec(key(), 0..5),
        prefix in prop::sample::select(vec!["", "a", "a/", "b-", "a/b"]),
        delimiter in prop::sample::select(vec!["", "/", "-", "a/"]),
        max in 1_usize..5,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let service = service();
            call(&service, Method::PUT, "/bucket").await;
            let mut keys = BTreeSet::new();
            for key in put {
                call(&service, Method::PUT, &format!("/bucket/{key}")).await;
                keys.insert(key);
            }
            for key in deleted {
                call(&service, Method::DELETE, &format!("/bucket/{key}")).await;
                keys.remove(&key);
            }
            let seen = listed(&service, prefix, delimiter, max).await;
            assert_eq!(seen, expected(&keys, prefix, delimiter));
        });
    }
}

#[test]
fn every_operation_is_named_once_and_says_what_it_does() {
    let mut names: Vec<_> = service_objects::operations()
        .map(|(name, _)| name)
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(100 < all, "{all}");
}

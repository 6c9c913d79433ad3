//! Addresses of queues.
//!
//! Lives here: writing and reading them.
//! Does not live here: finding the queue (`engine::catalogue`).

use aws_wire::host;
use interfaces::service::ServiceCall;
use model::arn::Arn;
use model::ids::{AccountId, Region};

/// Where requests come in, as their senders know it: `http://localhost:4566`.
pub(crate) fn origin(call: &ServiceCall, port: u16) -> String {
    let host = host::of(&call.headers);
    host.map_or_else(|| inside(port), |host| format!("http://{host}"))
}

/// Where functions find the services.
pub(crate) fn inside(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The address of a queue.
pub(crate) fn url(origin: &str, arn: &Arn) -> String {
    format!("{origin}/{}/{}", arn.account, arn.resource)
}

/// The queue that an address means: any host will do. One that names a region, as the cloud's do, means that region. A bare
/// name means a queue of the caller's.
pub(crate) fn read(
    text: &str,
    account: &AccountId,
    region: &Region,
) -> (AccountId, Region, String) {
    let (host, path) = match text.split_once("://") {
        Some((_, rest)) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", text),
    };
    let region = region_of(host).map_or_else(|| region.clone(), Region::new);
    let mut parts = path.trim_matches('/').rsplit('/');
    let name = parts.next().unwrap_or_default().to_owned();
    let account = match parts.next() {
        Some(owner) if is_account(owner) => AccountId::new(owner),
        Some(_) | None => account.clone(),
    };
    (account, region, name)
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The region in `sqs.eu-west-1.amazonaws.com` and in `eu-west-1.queue.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let is_region = |text: &str| {
        text.split('-').count() == 3
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let mut labels = host.split('.');
    let (first, second) = (labels.next()?, labels.next()?);
    match (first, second) {
        ("sqs", region) if is_region(region) => Some(region),
        (region, "queue") if is_region(region) => Some(region),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_means_its_queue_whatever_its_host() {
        let (account, region) = (AccountId::development(), Region::new("us-east-1"));
        for (text, expected) in [
            ("q", ("000000000000", "us-east-1", "q")),
            (
                "http://localhost:4566/111111111111/q",
                ("111111111111", "us-east-1", "q"),
            ),
            ("/111111111111/q", ("111111111111", "us-east-1", "q")),
            (
                "https://sqs.eu-west-1.amazonaws.com/111111111111/q.fifo",
                ("111111111111", "eu-west-1", "q.fifo"),
            ),
            (
                "https://eu-west-1.queue.amazonaws.com/111111111111/q",
                ("111111111111", "eu-west-1", "q"),
            ),
        ] {
            let (account, region, name) = read(text, &account, &region);
            assert_eq!(
                (account.as_str(), region.as_str(), name.as_str()),
                expected,
                "{text}"
            );
        }
    }
}

//! Mock events for `cloudless event`: what a function would be sent, to try it out with.
//!
//! Lives here: the sorts there are, and the documents of those that the gateway does not encode.
//! Does not live here: the gateway's own events, which their very encoder makes (`application::sample`).
//!
//! Contract: AWS Lambda Developer Guide, the example events of "Using Lambda with Amazon SQS", "Process Amazon S3 event
//! notifications with Lambda" and "Using Lambda with Amazon DynamoDB"; Amazon EventBridge User Guide, "Creating a rule
//! that runs on a schedule". Account and names are those of a development server.

use crate::application::sample;

/// A sort of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// A REST API's.
    ApiGateway,
    /// An HTTP API's, payload 2.0.
    HttpApi,
    /// A queue's.
    Sqs,
    /// An object's.
    S3,
    /// A table's stream's.
    DynamoDb,
    /// A schedule's.
    Schedule,
}

impl SampleKind {
    /// Every sort, in the order in which help lists them.
    pub const ALL: [Self; 6] = [
        Self::ApiGateway,
        Self::HttpApi,
        Self::Sqs,
        Self::S3,
        Self::DynamoDb,
        Self::Schedule,
    ];

    /// The name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiGateway => "apigateway",
            Self::HttpApi => "http-api",
            Self::Sqs => "sqs",
            Self::S3 => "s3",
            Self::DynamoDb => "dynamodb",
            Self::Schedule => "schedule",
        }
    }

    /// The sort of this name; none: there is no such sort.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The event, as JSON.
#[must_use]
pub fn mock(kind: SampleKind) -> String {
    let document = match kind {
        SampleKind::ApiGateway => return sample::rest_event(),
        SampleKind::HttpApi => return sample::http_event(),
        SampleKind::Sqs => include_str!("sqs.json"),
        SampleKind::S3 => include_str!("s3.json"),
        SampleKind::DynamoDb => include_str!("dynamodb.json"),
        SampleKind::Schedule => include_str!("schedule.json"),
    };
    document.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_json_under_its_name() {
        for kind in SampleKind::ALL {
            assert_eq!(SampleKind::parse(kind.as_str()), Some(kind));
            let event: serde_json::Value = serde_json::from_str(&mock(kind)).unwrap();
            assert!(event.is_object(), "{kind:?}");
        }
        assert_eq!(SampleKind::parse("kinesis"), None);
    }

    #[test]
    fn the_gateways_samples_come_from_its_encoder() {
        let read = |kind| -> serde_json::Value { serde_json::from_str(&mock(kind)).unwrap() };
        let rest = read(SampleKind::ApiGateway);
        assert_eq!(rest["pathParameters"]["id"], "7");
        assert_eq!(rest["requestContext"]["path"], "/dev/pets/7");
        let http = read(SampleKind::HttpApi);
        assert_eq!(http["version"], "2.0");
        assert_eq!(http["cookies"][0], "session=abc");
    }
}

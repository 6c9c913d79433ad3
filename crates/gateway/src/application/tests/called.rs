//! Integrations that call services, with a service that shows what it was asked.

use interfaces::authorize::Check;
use interfaces::service::{ServiceAnswer, ServiceCall};
use model::arn::Arn;
use model::door::{CalledService, ServiceAction};

use super::*;

/// Answers to the name of a service.
struct Fake {
    name: &'static str,
    asks: Asks,
}

/// Whether calls are put to policies; nobody's allow anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    Nothing,
    Policies,
}

impl CloudService for Fake {
    fn signing_name(&self) -> &'static str {
        self.name
    }

    fn checks<'a>(&'a self, call: &'a ServiceCall) -> BoxFuture<'a, Vec<Check>> {
        let asks = self.asks == Asks::Policies;
        let check = Check::new("sqs:SendMessage", "*", &call.account);
        Box::pin(std::future::ready(
            asks.then_some(check).into_iter().collect(),
        ))
    }

    fn asks_nothing(&self, _call: &ServiceCall) -> bool {
        self.asks == Asks::Nothing
    }

    fn execute(&self, call: ServiceCall) -> BoxFuture<'_, ServiceAnswer> {
        let body = String::from_utf8_lossy(&call.body).into_owned();
        let shown = format!("{} {} {body}", call.caller.arn(), call.region);
        Box::pin(std::future::ready(ServiceAnswer {
            status: 200,
            headers: vec![("content-type", "text/xml".to_owned())],
            body: Bytes::from(shown),
            rest: None,
        }))
    }
}

fn calling(action: ServiceAction, parameters: &[(&str, &str)], asks: Asks) -> Bench {
    let mut application = sample::application();
    let api = &mut application.http_apis[0];
    let key = RouteKey::Path {
        http_method: "POST".to_owned(),
        path: "/in/{id}".to_owned(),
    };
    let called = CalledService {
        action,
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        role: Arn::parse("arn:aws:iam::000000000000:role/door").unwrap(),
        region: None,
        timeout: Duration::from_secs(2),
    };
    api.routes = vec![HttpRoute::new(key, HttpIntegration::Service(called))];
    let mut bench = bench(Act::Hang);
    let services =
        ["sqs", "events"].map(|name| Arc::new(Fake { name, asks }) as Arc<dyn CloudService>);
    bench.handler = bench.handler.calling(services);
    assert!(bench.handler.swap(&application).is_empty());
    bench
}

#[tokio::test]
async fn a_message_is_sent_as_the_integrations_role_and_the_reply_handed_on() {
    let bench = calling(
        ServiceAction::SendMessage,
        &[
            ("MessageBody", "$request.body.text"),
            ("MessageGroupId", "g-${request.path.id}"),
            ("QueueUrl", "http://q/1"),
            ("DelaySeconds", "$request.querystring.none"),
        ],
        Asks::Nothing,
    );
    let response = bench
        .send("POST", "/http/in/7", &[], br#"{"text":"a & b"}"#)
        .await;
    assert_eq!(response.status.as_u16(), 200);
    assert_eq!(
        text(&response),
        "arn:aws:sts::000000000000:assumed-role/door/BackplaneAssumeRoleSession us-east-1 \
         Action=SendMessage&Version=2012%2D11%2D05&MessageBody=a%20%26%20b&MessageGroupId=g%2D7&QueueUrl=http%3A%2F%2Fq%2F1"
    );
}

#[tokio::test]
async fn an_event_is_one_entry() {
    let bench = calling(
        ServiceAction::PutEvents,
        &[
            ("Detail", "$request.body"),
            ("DetailType", "made"),
            ("Resources", r#"["a"]"#),
            ("Source", "shop"),
        ],
        Asks::Nothing,
    );
    let response = bench.send("POST", "/http/in/7", &[], b"{}").await;
    let shown = text(&response);
    let entries = shown.split_once("us-east-1 ").unwrap().1;
    assert_eq!(
        entries,
        r#"{"Entries":[{"Detail":"{}","DetailType":"made","Resources":["a"],"Source":"shop"}]}"#
    );
}

#[tokio::test]
async fn a_role_that_may_not_is_refused() {
    let bench = calling(
        ServiceAction::PurgeQueue,
        &[("QueueUrl", "q")],
        Asks::Policies,
    );
    let response = bench.send("POST", "/http/in/7", &[], b"").await;
    assert_eq!(response.status.as_u16(), 403);
    assert_eq!(text(&response), r#"{"message":"Forbidden"}"#);
    assert!(bench.entry().message.unwrap().contains("calls a service"));
}

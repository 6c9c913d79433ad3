//! `cloudless redrive`: brings dead letters back to where they came from.
//!
//! Lives here: queues by SQS's own `StartMessageMoveTask`, functions by invoking them with their dead letters again.
//! Does not live here: moving messages (`service-queues`), finding the running server (`development::marker`).

use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use model::arn::Arn;
use model::problem::Problem;
use model::suggestion;
use serde_json::{Value, json};

use super::dev::state_folder;
use super::fail;
use super::running::{self, NotDone};
use crate::cli::RedriveArguments;
use crate::development::marker::{self, Marker};
use crate::printer::{Printer, harmless};
use crate::{functions, project, settings};

/// How often a running task is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How long messages are invisible while their function is asked.
const INVISIBLE_S: u32 = 120;
/// Names that are listed when another one was asked for.
const LISTED_MAX: usize = 10;

/// What was brought back.
struct Moved {
    from: String,
    to: String,
    messages: u64,
}

/// Whose dead letters they are.
enum Found {
    Function(String),
    /// The address and the ARN of a dead letter queue.
    Queue {
        url: String,
        arn: String,
    },
}

/// A running server, and the region that is asked.
struct Server {
    port: u16,
    region: String,
}

/// Says how many messages went back.
pub async fn run(arguments: RedriveArguments, printer: &Printer) -> ExitCode {
    let json = arguments.json;
    match redrive(arguments).await {
        Ok(moved) if json => {
            let said = json!({"from": moved.from, "to": moved.to, "messages": moved.messages});
            printer.print(&format!("{said:#}"));
            ExitCode::SUCCESS
        }
        Ok(moved) => {
            let messages = match moved.messages {
                1 => "1 message".to_owned(),
                count => format!("{count} messages"),
            };
            let said = format!("{messages} of `{}` went back to {}", moved.from, moved.to);
            printer.print(&harmless(&said));
            ExitCode::SUCCESS
        }
        Err(problem) => fail(printer, &problem),
    }
}

async fn redrive(arguments: RedriveArguments) -> Result<Moved, Box<Problem>> {
    let located = project::locate(&arguments.dir)?;
    let (settings, _) = settings::read(&located.root);
    let state = state_folder(arguments.state.clone(), &settings, &located)?;
    let marker = marker::read(&state).ok_or_else(no_server)?;
    if !running::is_up(marker.services_port).await {
        return Err(no_server());
    }
    let of_arn = Arn::parse(&arguments.name).ok().map(|arn| arn.region);
    let region = of_arn.or(arguments.region.clone());
    let server = Server {
        port: marker.services_port,
        region: region.unwrap_or_else(|| marker.region.clone()),
    };
    match server.find(&marker, &arguments.name).await? {
        Found::Function(name) => server.redrive_function(&name).await,
        Found::Queue { url, arn } => server.redrive_queue(&url, &arn).await,
    }
}

impl Server {
    async fn find(&self, marker: &Marker, wanted: &str) -> Result<Found, Box<Problem>> {
        let arn = Arn::parse(wanted).ok();
        let of_function = arn.as_ref().and_then(Arn::function_name);
        let name = of_function.map_or_else(|| wanted.to_owned(), |name| name.to_string());
        if let Some(function) = functions::find(&marker.functions, &name) {
            return Ok(Found::Function(function.to_owned()));
        }
        let name = arn.map_or(name, |arn| arn.resource);
        let name = self.deployed_queue(&name).await.unwrap_or(name);
        match self.sqs("GetQueueUrl", &json!({"QueueName": name})).await {
            Ok(answer) => {
                let url = text(&answer, "QueueUrl");
                let asked = json!({"QueueUrl": url, "AttributeNames": ["QueueArn"]});
                let attributes = self.sqs("GetQueueAttributes", &asked).await;
                let attributes = attributes.map_err(|why| not_done(&why))?;
                let arn = attributes.get("Attributes").map(|it| text(it, "QueueArn"));
                Ok(Found::Queue {
                    url,
                    arn: arn.unwrap_or_default(),
                })
            }
            Err(why @ NotDone::NoAnswer(_)) => Err(not_done(&why)),
            Err(NotDone::Refused { .. }) => Err(self.unknown(marker, wanted).await),
        }
    }

    /// The queue that was named after this logical id when it was deployed, if it is the only one.
    async fn deployed_queue(&self, logical_id: &str) -> Option<String> {
        let part = format!("-{logical_id}-");
        let names = self.queue_names().await;
        if names.iter().any(|name| name == logical_id) {
            return None;
        }
        let mut of_it = names.into_iter().filter(|name| name.contains(&part));
        of_it.next().filter(|_| of_it.next().is_none())
    }

    async fn queue_names(&self) -> Vec<String> {
        let queues = self.sqs("ListQueues", &json!({})).await;
        let queues = queues.unwrap_or(Value::Null);
        let urls = queues.get("QueueUrls").and_then(Value::as_array);
        let urls = urls.into_iter().flatten().filter_map(Value::as_str);
        let names = urls.filter_map(|url| url.rsplit('/').next());
        names.map(str::to_owned).collect()
    }

    async fn redrive_queue(&self, url: &str, arn: &str) -> Result<Moved, Box<Problem>> {
        let source = json!({"SourceArn": arn});
        if let Err(why) = self.sqs("StartMessageMoveTask", &source).await {
            return Err(Box::new(
                Problem::error("redrive::refused", "the messages were not moved")
                    .because(why.words())
                    .help("messages go back from the dead letter queue of another queue; for those of a function, name the function"),
            ));
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let tasks = self.sqs("ListMessageMoveTasks", &source).await;
            let tasks = tasks.map_err(|why| not_done(&why))?;
            let task = tasks.get("Results").and_then(|results| results.get(0));
            let Some(task) = task else {
                continue;
            };
            let messages = task.get("ApproximateNumberOfMessagesMoved");
            let messages = messages.and_then(Value::as_u64).unwrap_or(0);
            let to = match messages {
                1 => "where it came from",
                _ => "where they came from",
            };
            let moved = Moved {
                from: url.rsplit('/').next().unwrap_or_default().to_owned(),
                to: to.to_owned(),
                messages,
            };
            match text(task, "Status").as_str() {
                "RUNNING" | "CANCELLING" => {}
                "COMPLETED" => return Ok(moved),
                status => {
                    let why = format!(
                        "{status} after {} messages: {}",
                        moved.messages,
                        text(task, "FailureReason")
                    );
                    let problem = Problem::error("redrive::refused", "not all messages were moved");
                    return Err(Box::new(problem.because(why)));
                }
            }
        }
    }

    /// Invokes a function with what its dead letter queue holds, as it was invoked before.
    async fn redrive_function(&self, name: &str) -> Result<Moved, Box<Problem>> {
        let queue = self.dead_letters_of(name).await?;
        let url = self
            .sqs("GetQueueUrl", &json!({"QueueName": queue.resource}))
            .await;
        let url = text(&url.map_err(|why| not_done(&why))?, "QueueUrl");
        let asked = json!({"QueueUrl": url, "AttributeNames": ["ApproximateNumberOfMessages"]});
        let attributes = self.sqs("GetQueueAttributes", &asked).await;
        let attributes = attributes.map_err(|why| not_done(&why))?;
        let count = attributes
            .get("Attributes")
            .map(|it| text(it, "ApproximateNumberOfMessages"));
        // Those that come in meanwhile have failed again.
        let most: u64 = count.and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut messages = 0;
        while messages < most {
            let asked = json!({
                "QueueUrl": url, "MaxNumberOfMessages": 10.min(most - messages), "VisibilityTimeout": INVISIBLE_S,
            });
            let received = self.sqs("ReceiveMessage", &asked).await;
            let received = received.map_err(|why| not_done(&why))?;
            let received = received.get("Messages").and_then(Value::as_array);
            let Some(received) = received.filter(|received| !received.is_empty()) else {
                break;
            };
            for message in received {
                self.invoke(name, &event_in(&text(message, "Body"))).await?;
                let asked =
                    json!({"QueueUrl": url, "ReceiptHandle": text(message, "ReceiptHandle")});
                let deleted = self.sqs("DeleteMessage", &asked).await;
                deleted.map_err(|why| not_done(&why))?;
                messages += 1;
            }
        }
        Ok(Moved {
            from: queue.resource,
            to: format!("`{name}`"),
            messages,
        })
    }

    /// The queue that gets what a function fails to handle.
    async fn dead_letters_of(&self, name: &str) -> Result<Arn, Box<Problem>> {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        let configuration = self.lambda(Method::GET, &path).await;
        let configuration = configuration.map_err(|why| not_done(&why))?;
        let of_function = configuration
            .get("DeadLetterConfig")
            .map(|config| text(config, "TargetArn"));
        let path = format!("/2019-09-25/functions/{name}/event-invoke-config");
        // There may be none.
        let config = self.lambda(Method::GET, &path).await.unwrap_or(Value::Null);
        let of_config = config
            .pointer("/DestinationConfig/OnFailure")
            .map(|destination| text(destination, "Destination"));
        let targets = [of_function, of_config].into_iter().flatten();
        let mut queues = targets
            .filter_map(|text| Arn::parse(&text).ok())
            .filter(|arn| arn.service == "sqs");
        queues.next().ok_or_else(|| {
            let title = format!("function `{name}` has no dead letter queue");
            Box::new(
                Problem::error("redrive::no-dead-letters", title)
                    .because(
                        "neither its `DeadLetterConfig` nor its `OnFailure` destination is a queue",
                    )
                    .help("give it one; what a queue called it with is in the dead letter queue of that queue: name that one"),
            )
        })
    }

    async fn invoke(&self, name: &str, event: &str) -> Result<(), Box<Problem>> {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        let headers = [("X-Amz-Invocation-Type", "Event")];
        let body = event.to_owned().into();
        let (port, region) = (self.port, &self.region);
        let invoked = running::lambda(port, region, (Method::POST, &path), (&headers, body)).await;
        invoked.map(drop).map_err(|why| not_done(&why))
    }

    async fn unknown(&self, marker: &Marker, wanted: &str) -> Box<Problem> {
        let queues = self.queue_names().await;
        let functions = marker.functions.values().map(String::as_str);
        let known: Vec<&str> = queues.iter().map(String::as_str).chain(functions).collect();
        let title = format!("no queue and no function is called `{wanted}`");
        let problem = Problem::error("redrive::unknown", title);
        let listed: Vec<String> = known
            .iter()
            .take(LISTED_MAX)
            .map(|name| format!("`{name}`"))
            .collect();
        let problem = problem.because(match known.len() {
            0 => "the running server has neither".to_owned(),
            count if LISTED_MAX < count => format!("there are {} and more", listed.join(", ")),
            _ => format!("there are {}", listed.join(", ")),
        });
        Box::new(match suggestion::nearest(wanted, known) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem,
        })
    }

    async fn sqs(&self, operation: &str, body: &Value) -> Result<Value, NotDone> {
        running::sqs(self.port, &self.region, operation, body).await
    }

    async fn lambda(&self, method: Method, path: &str) -> Result<Value, NotDone> {
        let nothing = (&[][..], bytes::Bytes::new());
        running::lambda(self.port, &self.region, (method, path), nothing).await
    }
}

/// A dead letter is the event itself; the record of a destination has it as `requestPayload`.
fn event_in(body: &str) -> String {
    let read: Option<Value> = serde_json::from_str(body).ok();
    let record = read.filter(|record| record.get("requestContext").is_some());
    let payload = record.and_then(|mut record| Some(record.get_mut("requestPayload")?.take()));
    payload.map_or_else(|| body.to_owned(), |payload| payload.to_string())
}

fn text(value: &Value, name: &str) -> String {
    let found = value.get(name).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

fn no_server() -> Box<Problem> {
    Box::new(
        Problem::error(
            "redrive::no-server",
            "no `cloudless dev` of this project is running",
        )
        .because("dead letters go back in a running server, which delivers them again")
        .help("start `cloudless dev`, or name its state: --state DIR"),
    )
}

fn not_done(why: &NotDone) -> Box<Problem> {
    let title = "the running server did not do it";
    Box::new(Problem::error("redrive::refused", title).because(why.words()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_a_dead_letter_is_the_one_that_failed() {
        let record =
            r#"{"version":"1.0","requestContext":{"requestId":"r"},"requestPayload":{"n":1}}"#;
        for (body, event) in [
            (r#"{"n": 1}"#, r#"{"n": 1}"#),
            ("not json", "not json"),
            (record, r#"{"n":1}"#),
        ] {
            assert_eq!(event_in(body), event);
        }
    }
}

//! `StartMessageMoveTask`, `ListMessageMoveTasks`, `CancelMessageMoveTask`.
//!
//! Lives here: what a task may be, its handle, how it is shown.
//! Does not live here: working on it (`crate::tasks`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::arn::Arn;
use serde_json::{Value, json};

use super::fault::{Fault, Kind};
use super::operations::{Context, Members, Outcome};
use super::request::Input as _;
use crate::engine::catalogue::Queue;
use crate::engine::hand_out::uuid;
use crate::message::id_text;
use crate::tasks::{Status, Task, TaskError};

const RATE_MAX: i64 = 500;
const RESULTS_MAX: i64 = 10;

pub(super) async fn start(context: &Context<'_>) -> Outcome {
    let source = named(context, "SourceArn").await?;
    let source_arn = &source.shared.arn;
    let shared = &source.shared;
    let queues = context
        .catalogue
        .list(&shared.account, &shared.region)
        .await?;
    let is_dead_letters = queues.iter().any(|queue| {
        let current = queue.current();
        let redrive = current.settings.redrive.as_ref();
        redrive.is_some_and(|redrive| redrive.target == *source_arn)
    });
    if !is_dead_letters {
        return Err(Fault::new(
            Kind::InvalidParameterValue,
            "Source queue must be configured as a Dead Letter Queue.",
        ));
    }
    let destination = match context.input.text("DestinationArn") {
        None => None,
        Some(_) => Some(named(context, "DestinationArn").await?),
    };
    if let Some(destination) = &destination
        && destination.current().descriptor.is_fifo() != source.current().descriptor.is_fifo()
    {
        return Err(Fault::new(
            Kind::InvalidParameterValue,
            "The source and destination queues must be of the same type.",
        ));
    }
    let rate_max = match context.input.number("MaxNumberOfMessagesPerSecond")? {
        None => None,
        Some(rate) if (1..=RATE_MAX).contains(&rate) => u32::try_from(rate).ok(),
        Some(rate) => {
            return Err(Fault::value(
                &rate.to_string(),
                "MaxNumberOfMessagesPerSecond",
                "Must be between 1 and 500, if provided.",
            ));
        }
    };
    let counts = context.catalogue.count(&source).await?;
    let task = Task {
        id: id_text(&uuid(&**context.catalogue.random())),
        source: source_arn.clone(),
        destination: destination.map(|queue| queue.shared.arn.clone()),
        rate_max,
        status: Status::Running,
        started_at: context.catalogue.now(),
        moved: 0,
        to_move: counts.visible,
        failure: None,
    };
    let handle = handle(&task);
    context.tasks.start(task).await.map_err(refused)?;
    Ok(super::queues::members([("TaskHandle", handle)]))
}

pub(super) async fn list(context: &Context<'_>) -> Outcome {
    let source = named(context, "SourceArn").await?;
    let count = context.input.number("MaxResults")?.unwrap_or(1);
    if !(1..=RESULTS_MAX).contains(&count) {
        return Err(Fault::value(
            &count.to_string(),
            "MaxResults",
            "MaxResults must be an integer between 1 and 10.",
        ));
    }
    let tasks = context
        .tasks
        .of(&source.shared.arn)
        .await
        .map_err(refused)?;
    let count = usize::try_from(count).unwrap_or(1);
    let shown: Vec<_> = tasks.iter().take(count).map(show).collect();
    Ok([("Results".to_owned(), Value::Array(shown))]
        .into_iter()
        .collect())
}

pub(super) async fn cancel(context: &Context<'_>) -> Outcome {
    let handle = context.input.required("TaskHandle")?;
    let read = STANDARD.decode(handle).ok();
    let read = read.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let text = |name: &str| {
        let read = read.as_ref()?;
        read.get(name)?.as_str()
    };
    let (Some(id), Some(source)) = (text("taskId"), text("sourceArn")) else {
        return Err(Fault::new(
            Kind::InvalidParameterValue,
            "Value for parameter TaskHandle is invalid.",
        ));
    };
    let source = find(context, source, "SourceArn").await?;
    let moved = context.tasks.cancel(&source.shared.arn, id).await;
    let moved = moved.map_err(refused)?;
    let mut result = Members::new();
    result.insert("ApproximateNumberOfMessagesMoved".to_owned(), moved.into());
    Ok(result)
}

/// The source that the handle of a task names.
pub(super) fn source_of(handle: &str) -> Option<Arn> {
    let read: Value = serde_json::from_slice(&STANDARD.decode(handle).ok()?).ok()?;
    Arn::parse(read.get("sourceArn")?.as_str()?).ok()
}

async fn named(context: &Context<'_>, member: &str) -> Result<Arc<Queue>, Fault> {
    find(context, context.input.required(member)?, member).await
}

async fn find(context: &Context<'_>, arn: &str, member: &str) -> Result<Arc<Queue>, Fault> {
    let missing = || {
        Fault::new(
            Kind::ResourceNotFound,
            format!("The resource that you specified for the {member} parameter doesn't exist."),
        )
    };
    let arn = Arn::parse(arn).map_err(|_| missing())?;
    context.catalogue.find_arn(&arn).await?.ok_or_else(missing)
}

fn handle(task: &Task) -> String {
    STANDARD.encode(json!({ "taskId": task.id, "sourceArn": task.source }).to_string())
}

fn show(task: &Task) -> Value {
    let mut shown = json!({
        "Status": task.status.name(),
        "SourceArn": task.source,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_at.epoch_ms(),
    });
    if let Some(members) = shown.as_object_mut() {
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                members.insert(name.to_owned(), value);
            }
        };
        let is_running = task.status == Status::Running;
        add("TaskHandle", is_running.then(|| handle(task).into()));
        add(
            "DestinationArn",
            task.destination.as_ref().map(|arn| json!(arn)),
        );
        add(
            "MaxNumberOfMessagesPerSecond",
            task.rate_max.map(Value::from),
        );
        add("FailureReason", task.failure.clone().map(Value::from));
    }
    shown
}

fn refused(error: TaskError) -> Fault {
    match error {
        TaskError::AtWork => Fault::new(
            Kind::InvalidParameterValue,
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        ),
        TaskError::Missing => Fault::new(Kind::ResourceNotFound, "Task does not exist."),
        TaskError::Ask(error) => error.into(),
        error @ (TaskError::Read(_) | TaskError::Commit(_) | TaskError::Row(_)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a task could not be read or written"
            );
            Fault::new(Kind::InternalError, "The request processing has failed.")
        }
    }
}

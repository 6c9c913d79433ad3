//! Tasks that move messages from a dead-letter queue to where they came from, or elsewhere.
//!
//! Lives here: starting, showing and cancelling them; working on them, also after a restart.
//! Does not live here: moving a message (`engine`), the API's words (`sqs::moves`).
//!
//! Contract: Amazon SQS API Reference, `StartMessageMoveTask`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::arn::Arn;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Batch, CommitError, Direction, PageLimit, ReadError};
use tokio::task::JoinSet;

use crate::engine::ask::AskError;
use crate::engine::catalogue::{Catalogue, CatalogueError};
use crate::engine::keys;

/// Messages that a task without a limit of its own moves at once.
const MOVED_AT_ONCE: usize = 100;
/// Rows that are read at once.
const PAGE_ROWS: usize = 100;
/// Tasks of a source that are remembered.
const REMEMBERED_MAX: usize = 10;
/// After this long, a step that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A task, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its id: a UUID.
    pub(crate) id: String,
    /// Where it takes messages from.
    pub(crate) source: Arn,
    /// Where it puts them; none: back to where each came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) destination: Option<Arn>,
    /// Messages a second, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate_max: Option<u32>,
    /// How it stands.
    pub(crate) status: Status,
    /// When it was started.
    pub(crate) started_at: Timestamp,
    /// Messages that it has moved.
    pub(crate) moved: u64,
    /// Messages that there were at its start.
    pub(crate) to_move: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Status {
    Running,
    Completed,
    Cancelling,
    Cancelled,
    Failed,
}

impl Status {
    /// As the API names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    fn is_at_work(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }
}

/// A task could not be started, read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    /// One of this source is at work.
    #[error("a task of this source is running")]
    AtWork,
    /// There is none such, or it is not at work.
    #[error("the task does not exist")]
    Missing,
    /// The queue could not be asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The store could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The row of a task is damaged.
    #[error("the row of a task cannot be read")]
    Row(#[from] serde_json::Error),
}

impl From<CatalogueError> for TaskError {
    fn from(error: CatalogueError) -> Self {
        Self::Ask(error.into())
    }
}

/// The tasks. Clones share everything.
#[derive(Clone)]
pub(crate) struct Tasks {
    catalogue: Catalogue,
    /// Held while rows of tasks are changed.
    changing: Arc<tokio::sync::Mutex<()>>,
    working: Arc<Mutex<JoinSet<()>>>,
}

/// Whether a task has more to do.
enum Step {
    More,
    Done,
}

impl Tasks {
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            changing: Arc::default(),
            working: Arc::default(),
        }
    }

    /// Starts a task.
    ///
    /// # Errors
    /// [`TaskError::AtWork`]; what the store says.
    pub(crate) async fn start(&self, task: Task) -> Result<(), TaskError> {
        let _one = self.changing.lock().await;
        let there = self.of(&task.source).await?;
        if there.iter().any(|task| task.status.is_at_work()) {
            return Err(TaskError::AtWork);
        }
        let mut batch = Batch::new().put(key(&task), serde_json::to_vec(&task)?);
        for old in there.iter().skip(REMEMBERED_MAX.saturating_sub(1)) {
            batch = batch.delete(key(old));
        }
        self.catalogue.store().commit(batch).await?;
        self.work_on(task);
        Ok(())
    }

    /// The tasks of a source, the latest first.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn of(&self, source: &Arn) -> Result<Vec<Task>, TaskError> {
        let range = keys::tasks_of(&source.to_string());
        let limit = PageLimit::rows(PAGE_ROWS);
        let store = self.catalogue.store();
        let page = store.scan(&range, Direction::Backward, limit).await?;
        let rows = page.rows.iter();
        let tasks = rows.map(|row| serde_json::from_slice(&row.value));
        Ok(tasks.collect::<Result<_, _>>()?)
    }

    /// Asks a task to end; what it has moved until now.
    ///
    /// # Errors
    /// [`TaskError::Missing`]; what the store says.
    pub(crate) async fn cancel(&self, source: &Arn, id: &str) -> Result<u64, TaskError> {
        let _one = self.changing.lock().await;
        let mut tasks = self.of(source).await?.into_iter();
        let found = tasks.find(|task| task.id == id && task.status == Status::Running);
        let mut task = found.ok_or(TaskError::Missing)?;
        task.status = Status::Cancelling;
        self.put(&task).await?;
        Ok(task.moved)
    }

    /// Goes on with what the last process left.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn take_up(&self) -> Result<(), TaskError> {
        let mut range = keys::all_tasks();
        loop {
            let store = self.catalogue.store();
            let limit = PageLimit::rows(PAGE_ROWS);
            let page = store.scan(&range, Direction::Forward, limit).await?;
            for row in &page.rows {
                let task: Task = serde_json::from_slice(&row.value)?;
                if task.status.is_at_work() {
                    self.work_on(task);
                }
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok(()),
            }
        }
    }

    async fn put(&self, task: &Task) -> Result<(), TaskError> {
        let batch = Batch::new().put(key(task), serde_json::to_vec(task)?);
        self.catalogue.store().commit(batch).await?;
        Ok(())
    }

    fn work_on(&self, task: Task) {
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        while working.try_join_next().is_some() {}
        // It holds no share of the set that it is in.
        let worker = Worker {
            catalogue: self.catalogue.clone(),
            changing: Arc::clone(&self.changing),
        };
        working.spawn(worker.work(task));
    }
}

/// Works on one task.
struct Worker {
    catalogue: Catalogue,
    changing: Arc<tokio::sync::Mutex<()>>,
}

impl Worker {
    async fn work(self, task: Task) {
        let pause = task.rate_max.map(|_| Duration::from_secs(1));
        loop {
            match self.step(&task).await {
                Ok(Step::Done) => return,
                Ok(Step::More) => match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => tokio::task::yield_now().await,
                },
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        source = %task.source,
                        "messages could not be moved yet"
                    );
                    drop(error);
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    async fn step(&self, started: &Task) -> Result<Step, TaskError> {
        let _one = self.changing.lock().await;
        let store = self.catalogue.store();
        let Some(row) = store.get(&key(started)).await? else {
            return Ok(Step::Done);
        };
        let mut task: Task = serde_json::from_slice(&row)?;
        match task.status {
            Status::Running => self.advance(&mut task).await?,
            Status::Cancelling => task.status = Status::Cancelled,
            Status::Completed | Status::Cancelled | Status::Failed => return Ok(Step::Done),
        }
        let batch = Batch::new().put(key(&task), serde_json::to_vec(&task)?);
        store.commit(batch).await?;
        Ok(match task.status {
            Status::Running | Status::Cancelling => Step::More,
            Status::Completed | Status::Cancelled | Status::Failed => Step::Done,
        })
    }

    async fn advance(&self, task: &mut Task) -> Result<(), TaskError> {
        let at_once = task.rate_max.and_then(|rate| usize::try_from(rate).ok());
        let at_once = at_once.unwrap_or(MOVED_AT_ONCE);
        let missing = "AWS.SimpleQueueService.NonExistentQueue";
        let Some(source) = self.catalogue.find_arn(&task.source).await? else {
            task.status = Status::Failed;
            task.failure = Some(missing.to_owned());
            return Ok(());
        };
        let moved = self
            .catalogue
            .move_messages(&source, at_once, task.destination.clone())
            .await?;
        task.moved = task.moved.saturating_add(moved.messages);
        if moved.missing.is_some() {
            task.status = Status::Failed;
            task.failure = Some(missing.to_owned());
        } else if task.to_move <= task.moved || moved.messages == 0 {
            task.status = Status::Completed;
        }
        Ok(())
    }
}

fn key(task: &Task) -> Vec<u8> {
    keys::task(
        &task.source.to_string(),
        task.started_at.epoch_us(),
        &task.id,
    )
}

//! Does what the pool decides: starts instances, hands events to them, answers callers.
//!
//! Lives here: [`Invoker`], its one lock, its timer, swapping revisions and stopping.
//! Does not live here: any decision (`pool`), the life of one instance (`tenure`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::invoke::{Answer, Invocation, Invoke, NotRun, Reply};
use interfaces::reply_stream::{self, ReplySink};
use interfaces::runtime::{Initialization, Runtime, StartError, StartWay};
use model::application::Application;
use model::function::Function;
use model::ids::FunctionName;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalogue::{self, Catalogue};
use crate::limits::InvokerLimits;
use crate::pool::{Action, Arrival, Fault, Home, InstanceKey, Pool, Refusal, Ticket, VersionId};
use crate::tenure::{self, FailedStart};

/// How often a stopping invoker looks whether its events are done.
const DRAIN_LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Runs functions on instances that it starts, reuses and ends.
///
/// Every task that it starts is its own and is awaited in [`stop`](Self::stop). An `Invoker` that is dropped without
/// `stop` kills its instances.
pub struct Invoker {
    shared: Arc<Shared>,
    stopped: CancellationToken,
}

/// What the invoker, its timer and the tasks of its instances share.
pub(crate) struct Shared {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: InvokerLimits,
    /// Cancelled when events that still run have to end.
    pub(crate) killed: CancellationToken,
    tasks: TaskTracker,
    /// Where tasks run: starts are also decided where no tokio runtime is entered, as in a destructor.
    executor: Handle,
    timer: Notify,
    core: Mutex<Core>,
}

/// All that changes, behind one lock that is never held while anything waits.
struct Core {
    pool: Pool,
    catalogue: Arc<Catalogue>,
    mailboxes: HashMap<InstanceKey, mpsc::Sender<Job>>,
    waiting: HashMap<Ticket, Job>,
    starts: HashMap<InstanceKey, CancellationToken>,
    /// Until when the timer sleeps.
    timer_due: Option<Instant>,
    /// Kept to be reused: the pool writes its actions here.
    actions: Vec<Action>,
}

/// One event on its way through the invoker.
pub(crate) struct Job {
    pub(crate) invocation: Invocation,
    pub(crate) arrived_at: Instant,
    /// Whether it stood in line: the first event of an instance that did has waited for its start.
    pub(crate) stood_in_line: bool,
    /// Until when it may wait.
    give_up_at: Instant,
    pub(crate) reply: oneshot::Sender<Result<Reply, NotRun>>,
    /// Where the pieces of its reply go, when its caller takes pieces.
    pub(crate) sink: Option<ReplySink>,
}

impl Invoker {
    /// An invoker without any function; [`swap`](Self::swap) brings them.
    ///
    /// # Panics
    /// Outside of a tokio runtime with timers: the invoker's timer runs there.
    #[must_use]
    pub fn new(runtime: Arc<dyn Runtime>, clock: Arc<dyn Clock>, limits: InvokerLimits) -> Self {
        let shared = Arc::new(Shared {
            runtime,
            clock,
            killed: CancellationToken::new(),
            tasks: TaskTracker::new(),
            executor: Handle::current(),
            timer: Notify::new(),
            core: Mutex::new(Core {
                pool: Pool::new(limits.clone()),
                catalogue: Arc::default(),
                mailboxes: HashMap::new(),
                waiting: HashMap::new(),
                starts: HashMap::new(),
                timer_due: None,
                actions: Vec::new(),
            }),
            limits,
        });
        let stopped = CancellationToken::new();
        let timer = keep_time(Arc::clone(&shared), stopped.clone());
        shared.tasks.spawn_on(timer, &shared.executor);
        Self { shared, stopped }
    }

    /// Runs this revision from now on. Instances of functions whose fingerprint has not changed stay; others end,
    /// busy ones after their event. Events in line run on the new version, or are answered with
    /// [`NotRun::UnknownFunction`] when there is none.
    pub fn swap(&self, application: &Arc<Application>) {
        let catalogue = Arc::new(Catalogue::of(application));
        let versions = catalogue.versions();
        let before = {
            let mut core = self.shared.lock();
            let before = std::mem::replace(&mut core.catalogue, Arc::clone(&catalogue));
            self.shared.decide(&mut core, |pool, now, actions| {
                pool.swap(&versions, now, actions);
            });
            before
        };
        self.prepare(catalogue.without(&before));
        for gone in before.without(&catalogue) {
            self.shared.runtime.retire(&gone);
        }
    }

    /// Has the runtime make ready what new versions will be started from, while nobody waits for it.
    fn prepare(&self, new: Vec<Arc<Function>>) {
        let shared = Arc::clone(&self.shared);
        let prepare = async move {
            tokio::select! {
                () = shared.runtime.prepare(new) => {}
                () = shared.killed.cancelled() => {}
            }
        };
        self.shared.tasks.spawn_on(prepare, &self.shared.executor);
    }

    /// Stops: refuses new events, lets admitted ones finish for at most `drain_max`, then ends all instances, and
    /// returns when they have ended. Calling it again waits for the same end.
    pub async fn stop(&self) {
        self.shared.lock().pool.stop();
        let drain_until = self.shared.clock.instant() + self.shared.limits.drain_max;
        while !self.shared.lock().pool.is_idle() && self.shared.clock.instant() < drain_until {
            tokio::time::sleep(DRAIN_LOOK_INTERVAL).await;
        }
        self.end_all();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    fn end_all(&self) {
        self.stopped.cancel();
        self.shared.killed.cancel();
        let mut core = self.shared.lock();
        core.pool.stop();
        self.shared
            .decide(&mut core, |pool, _, actions| pool.end_all(actions));
    }
}

impl Drop for Invoker {
    fn drop(&mut self) {
        self.end_all();
    }
}

impl Invoke for Invoker {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        Box::pin(async move {
            let function = invocation.function.clone();
            let receiver = self.shared.submit(invocation, None)?;
            receiver
                .await
                .unwrap_or_else(|_| Err(instance_failed(function)))
        })
    }

    fn invoke_streamed(&self, invocation: Invocation) -> BoxFuture<'_, Result<Answer, NotRun>> {
        Box::pin(async move {
            let function = invocation.function.clone();
            let (sink, mut source) = reply_stream::channel();
            let mut receiver = self.shared.submit(invocation, Some(sink))?;
            let begun = tokio::select! {
                // A stream that begins and ends at once is a stream.
                biased;
                begun = source.begun() => begun,
                reply = &mut receiver => return whole(reply, function),
            };
            match begun {
                Some(content_type) => {
                    Ok(Answer::Streamed(source.into_stream(content_type, receiver)))
                }
                None => whole(receiver.await, function),
            }
        })
    }
}

fn whole(
    reply: Result<Result<Reply, NotRun>, oneshot::error::RecvError>,
    function: FunctionName,
) -> Result<Answer, NotRun> {
    match reply {
        Ok(reply) => reply.map(Answer::Whole),
        Err(_) => Err(instance_failed(function)),
    }
}

/// The answer was dropped: that happens only when the task of an instance fails in a way of its own.
fn instance_failed(function: FunctionName) -> NotRun {
    NotRun::StartFailed {
        function,
        reason: "the task of its instance ended unexpectedly".to_owned(),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        // A poisoned lock is taken all the same: the pool's methods leave it whole between any two actions.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(
        self: &Arc<Self>,
        invocation: Invocation,
        sink: Option<ReplySink>,
    ) -> Result<oneshot::Receiver<Result<Reply, NotRun>>, NotRun> {
        let (bytes, bytes_max) = (invocation.payload.len(), self.limits.payload_bytes_max);
        if bytes_max < bytes {
            return Err(NotRun::RequestTooLarge { bytes, bytes_max });
        }
        let (reply, receiver) = oneshot::channel();
        let now = self.clock.instant();
        let longest = now + self.limits.wait_max;
        let mut job = Job {
            arrived_at: now,
            stood_in_line: false,
            give_up_at: invocation.wait_until.map_or(longest, |at| at.min(longest)),
            invocation,
            reply,
            sink,
        };
        let mut locked = self.lock();
        let core = &mut *locked;
        let Invocation {
            function,
            qualifier,
            trace_id,
            ..
        } = &mut job.invocation;
        if let Some(traced) = core.catalogue.traced(function, trace_id)? {
            *trace_id = traced;
        }
        let version = core.catalogue.find(function, qualifier.as_deref())?;
        let mut actions = std::mem::take(&mut core.actions);
        let arrival = core
            .pool
            .arrive(version, home(), job.give_up_at, now, &mut actions);
        self.place(core, arrival, job);
        self.carry_out(core, actions);
        Ok(receiver)
    }

    /// A start has ended: with an instance, whose mailbox comes back, or with the reason of its failure.
    /// None: the instance is not wanted any more.
    pub(crate) fn start_ended(
        self: &Arc<Self>,
        key: InstanceKey,
        result: Result<StartWay, FailedStart>,
    ) -> Option<mpsc::Receiver<Job>> {
        let mut core = self.lock();
        core.starts.remove(&key);
        match result {
            Ok(way) => {
                let (sender, receiver) = mpsc::channel(1);
                core.mailboxes.insert(key, sender);
                let is_wanted = self.decide(&mut core, |pool, now, actions| {
                    pool.started(key, way, home(), now, actions)
                });
                if !is_wanted {
                    core.mailboxes.remove(&key);
                }
                is_wanted.then_some(receiver)
            }
            Err(failed) => {
                let mut actions = std::mem::take(&mut core.actions);
                let fault = match failed.error() {
                    StartError::Init { .. } => Fault::Function,
                    StartError::Machine { .. } => Fault::Machine,
                };
                core.pool
                    .start_failed(key, fault, self.clock.instant(), &mut actions);
                actions.retain(|action| {
                    let Action::FailStart(ticket) = action else {
                        return true;
                    };
                    if let Some(job) = core.waiting.remove(ticket) {
                        job.answer(&failed, self.clock.instant());
                    }
                    false
                });
                self.carry_out(&mut core, actions);
                None
            }
        }
    }

    /// The instance has finished its event and can take another.
    pub(crate) fn released(self: &Arc<Self>, key: InstanceKey) {
        self.decide(&mut self.lock(), |pool, now, actions| {
            pool.released(key, now, actions);
        });
    }

    /// The instance is dead, and the event that it had, if any, is finished.
    pub(crate) fn ended(self: &Arc<Self>, key: InstanceKey) {
        let mut core = self.lock();
        core.mailboxes.remove(&key);
        self.decide(&mut core, |pool, now, actions| {
            pool.ended(key, now, actions)
        });
    }

    /// The instance died while it was free, or so it thought: an event may lie in its mailbox. Only under the lock can
    /// that be told, since until the pool knows of the death it goes on handing events over.
    pub(crate) fn lost(self: &Arc<Self>, key: InstanceKey, mailbox: &mut mpsc::Receiver<Job>) {
        let mut core = self.lock();
        core.mailboxes.remove(&key);
        let Ok(job) = mailbox.try_recv() else {
            self.decide(&mut core, |pool, now, actions| {
                pool.ended(key, now, actions)
            });
            return;
        };
        let mut actions = std::mem::take(&mut core.actions);
        let arrival =
            core.pool
                .returned_unseen(key, job.give_up_at, self.clock.instant(), &mut actions);
        self.place(&mut core, arrival, job);
        self.carry_out(&mut core, actions);
    }

    fn place(&self, core: &mut Core, arrival: Arrival, job: Job) {
        match arrival {
            Arrival::Runs(instance) => core.hand_over(instance, job),
            Arrival::Waits(ticket) => {
                core.waiting.insert(ticket, job);
            }
            Arrival::Refused(refusal) => job.refuse(refusal),
        }
    }

    fn decide<T>(
        self: &Arc<Self>,
        core: &mut Core,
        decision: impl FnOnce(&mut Pool, Instant, &mut Vec<Action>) -> T,
    ) -> T {
        let mut actions = std::mem::take(&mut core.actions);
        let decided = decision(&mut core.pool, self.clock.instant(), &mut actions);
        self.carry_out(core, actions);
        decided
    }

    /// Carries out what the pool decided, under the lock under which it was decided.
    fn carry_out(self: &Arc<Self>, core: &mut Core, mut actions: Vec<Action>) {
        for action in actions.drain(..) {
            match action {
                Action::Start(key, version, initialization) => {
                    self.start(core, key, &version, initialization);
                }
                Action::CancelStart(key) => {
                    if let Some(start) = core.starts.remove(&key) {
                        start.cancel();
                    }
                }
                Action::Run(ticket, instance) => {
                    if let Some(mut job) = core.waiting.remove(&ticket) {
                        job.stood_in_line = true;
                        core.hand_over(instance, job);
                    }
                }
                Action::Refuse(ticket, refusal) => {
                    if let Some(job) = core.waiting.remove(&ticket) {
                        job.refuse(refusal);
                    }
                }
                // Answered where the failure is known: in `start_ended`.
                Action::FailStart(_) => {}
                // The instance's task ends it when its mailbox is closed.
                Action::End(instance) => {
                    core.mailboxes.remove(&instance);
                }
            }
        }
        core.actions = actions;
        if let Some(due) = core.pool.due()
            && core.timer_due.is_none_or(|planned| due < planned)
        {
            core.timer_due = Some(due);
            self.timer.notify_one();
        }
    }

    fn start(
        self: &Arc<Self>,
        core: &mut Core,
        key: InstanceKey,
        version: &VersionId,
        initialization: Initialization,
    ) {
        let Some(function) = core.catalogue.get(version) else {
            return;
        };
        let cancelled = CancellationToken::new();
        let tenure = tenure::run(
            Arc::clone(self),
            key,
            Arc::clone(function),
            initialization,
            cancelled.clone(),
        );
        core.starts.insert(key, cancelled);
        // An instance is watched where it was first wanted, so that its events, which come there again, need no other thread.
        let here = Handle::try_current();
        self.tasks
            .spawn_on(tenure, here.as_ref().unwrap_or(&self.executor));
    }
}

impl Core {
    fn hand_over(&self, instance: InstanceKey, job: Job) {
        // The pool gives an instance one event at a time, so its mailbox has room; it is gone only when the task
        // of the instance failed, and then dropping the job answers the caller.
        if let Some(mailbox) = self.mailboxes.get(&instance) {
            drop(mailbox.try_send(job));
        }
    }
}

impl Job {
    fn refuse(self, refusal: Refusal) {
        let function = self.invocation.function;
        let not_run = match refusal {
            Refusal::UnknownFunction => {
                catalogue::unknown(function, self.invocation.qualifier.as_deref())
            }
            Refusal::Throttled(limit) => NotRun::Throttled { function, limit },
            Refusal::WaitedTooLong => NotRun::WaitedTooLong { function },
            Refusal::ShuttingDown => NotRun::ShuttingDown,
        };
        // Whoever asked may have gone.
        drop(self.reply.send(Err(not_run)));
    }

    fn answer(self, failed: &FailedStart, now: Instant) {
        let waited = now.saturating_duration_since(self.arrived_at);
        let answer = failed.answer(self.invocation.function, waited);
        drop(self.reply.send(answer));
    }
}

/// Which thread this is.
fn home() -> Home {
    static THREADS: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static HOME: Home = Home(THREADS.fetch_add(1, Ordering::Relaxed));
    }
    HOME.with(|home| *home)
}

/// Lets the pool look at the time whenever something is due.
async fn keep_time(shared: Arc<Shared>, stopped: CancellationToken) {
    loop {
        let due = shared.lock().timer_due;
        let sleep = async {
            match due {
                Some(due) => {
                    let left = due.saturating_duration_since(shared.clock.instant());
                    tokio::time::sleep(left).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {
                let mut core = shared.lock();
                core.timer_due = None;
                shared.decide(&mut core, |pool, now, actions| pool.tick(now, actions));
            }
            () = shared.timer.notified() => {}
            () = stopped.cancelled() => return,
        }
    }
}

//! What an instance writes on its standard output and standard error.
//!
//! Lives here: reading the pipes, cutting lines, the limits, the tail of an invocation's log.
//! Does not live here: what becomes of a line (`LogSink`), the texts of the platform's lines (`report`).

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use interfaces::clock::Clock;
use interfaces::log_sink::{LogLine, LogOrigin, LogSink, LogSource};
use model::function::Function;
use model::ids::{InstanceId, RequestId};
use model::limits::LAMBDA_LOG_TAIL_BYTES_MAX;
use model::time::Timestamp;
use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::net::unix::pipe::Receiver;

use super::report;
use super::runtime_api::Session;
use super::runtime_api::telemetry::Category;

/// A longer line is cut into several. As CloudWatch Logs, "quotas": event size, 256 KB.
pub(super) const LINE_BYTES_MAX: usize = 256 * 1024;
/// What one init or one invocation, and the pause after it, may write. The rest is read, so that the function does not
/// hang, and thrown away; its log says so.
pub(super) const LOG_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many lines, likewise: the cost of a line is not in its bytes.
pub(super) const LOG_LINES_MAX: usize = 100_000;
/// What one init or one invocation may write as fast as it can.
const FLOOD_BYTES: usize = 1024 * 1024;
/// How long reading rests then, each time.
const FLOOD_PAUSE: Duration = Duration::from_millis(2);
/// How long the tail is of a request that writes nothing itself: room is made for it at once.
const TAIL_BYTES_USUAL: usize = 384;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;
/// Asking without waiting.
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// Reads an instance's output.
pub(super) struct Logs {
    stdout: Stream,
    stderr: Stream,
    /// What its extensions write; most functions have none.
    extensions: Option<Stream>,
    has_begun: bool,
    journal: Journal,
}

/// Where lines go, and what they carry.
struct Journal {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    source: Arc<LogSource>,
    request_id: Option<RequestId>,
    written_bytes: usize,
    written_lines: usize,
    is_full: bool,
    tail: Vec<u8>,
    /// Who else is told.
    session: Option<Arc<Session>>,
}

struct Stream {
    origin: LogOrigin,
    category: Category,
    /// None once the other end is closed.
    pipe: Option<Receiver>,
    /// The beginning of a line whose end has not come.
    begun: BytesMut,
}

impl Logs {
    /// The log of an instance that is about to be started.
    pub(super) fn new(parts: &super::Parts, function: Arc<Function>, instance: InstanceId) -> Self {
        Self {
            stdout: Stream::new(LogOrigin::Stdout, Category::Function),
            stderr: Stream::new(LogOrigin::Stderr, Category::Function),
            extensions: None,
            has_begun: false,
            journal: Journal {
                sink: parts.logs.clone(),
                clock: parts.clock.clone(),
                source: Arc::new(LogSource { function, instance }),
                request_id: None,
                written_bytes: 0,
                written_lines: 0,
                is_full: false,
                tail: Vec::new(),
                session: None,
            },
        }
    }

    /// Reads what the instance's process writes.
    pub(super) fn hear(
        &mut self,
        stdout: Option<OwnedFd>,
        stderr: Option<OwnedFd>,
    ) -> io::Result<()> {
        self.stdout.pipe = stdout.map(Receiver::from_owned_fd).transpose()?;
        self.stderr.pipe = stderr.map(Receiver::from_owned_fd).transpose()?;
        Ok(())
    }

    /// Reads what its extensions write, all of them in one pipe.
    pub(super) fn hear_extensions(&mut self, output: OwnedFd) -> io::Result<()> {
        let mut stream = Stream::new(LogOrigin::Stdout, Category::Extension);
        stream.pipe = Some(Receiver::from_owned_fd(output)?);
        self.extensions = Some(stream);
        Ok(())
    }

    /// Tells it to those, too, who asked for telemetry.
    pub(super) fn tell(&mut self, session: Arc<Session>) {
        self.journal.session = Some(session);
    }

    /// Whose log this is.
    pub(super) fn instance(&self) -> &InstanceId {
        &self.journal.source.instance
    }

    /// From here on lines belong to this request, and the limit and the tail begin anew.
    pub(super) fn begin(&mut self, request_id: Option<RequestId>) {
        self.journal.request_id = request_id;
        self.journal.written_bytes = 0;
        self.journal.written_lines = 0;
        self.journal.is_full = false;
        self.journal.tail.clear();
        self.journal.tail.reserve(TAIL_BYTES_USUAL);
    }

    /// From here on lines belong to no request; gives the tail.
    pub(super) fn finish(&mut self) -> Bytes {
        self.journal.request_id = None;
        let tail = std::mem::take(&mut self.journal.tail);
        let skipped = tail.len().saturating_sub(LAMBDA_LOG_TAIL_BYTES_MAX);
        Bytes::from(tail).slice(skipped..)
    }

    /// Writes a line of the platform's.
    pub(super) fn platform(&mut self, text: String) {
        self.platform_at(self.journal.clock.now(), text);
    }

    /// Writes a line of the platform's, of this moment.
    pub(super) fn platform_at(&mut self, now: Timestamp, text: String) {
        let (origin, category) = (LogOrigin::Platform, Category::Platform);
        self.journal.write_at(now, origin, category, text.into());
    }

    /// Writes the line that begins an instance's log, once.
    pub(super) fn begin_init(&mut self) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.platform(report::init_start(&self.journal.source.function));
        }
    }

    /// Writes the line that ends a failed init, and gives the tail of its log.
    pub(super) fn end_init(
        &mut self,
        init: Duration,
        phase: report::Phase,
        status: report::InitStatus<'_>,
    ) -> Bytes {
        self.drain();
        self.platform(report::init_report(init, phase, status));
        self.finish()
    }

    /// Waits for output and takes what is there. Cancel-safe; pending when both streams are closed.
    pub(super) async fn pump(&mut self) {
        tokio::select! {
            () = self.stdout.ready() => self.stdout.read(READ_BYTES, &mut self.journal),
            () = self.stderr.ready() => self.stderr.read(READ_BYTES, &mut self.journal),
            () = ready(self.extensions.as_ref()) => {
                if let Some(stream) = &mut self.extensions {
                    stream.read(READ_BYTES, &mut self.journal);
                }
            }
        }
        if FLOOD_BYTES < self.journal.written_bytes || self.journal.is_full {
            // Whoever writes that much is slowed down, not stopped: its neighbours need the same processors.
            tokio::time::sleep(FLOOD_PAUSE).await;
        }
        // A flood is always ready. Without this the event loop would not look at the other sockets for many reads,
        // and a reply would stand in line behind megabytes of log.
        tokio::task::yield_now().await;
    }

    /// The same between two events. What writes on beyond the limit is not read any more: it stands still until the
    /// next event, as everything in a frozen instance does, instead of keeping us busy.
    pub(super) async fn pump_while_free(&mut self) {
        if self.journal.is_full {
            std::future::pending::<()>().await;
        }
        self.pump().await;
    }

    /// Takes all that was written until now, without waiting: so what a handler wrote stands before its `END`. What
    /// other processes go on writing meanwhile is not waited for.
    pub(super) fn drain(&mut self) {
        if self.is_anything_there() {
            self.take_all();
        }
    }

    /// The same after a reply that the event loop has told of, without asking the system. The loop tells of things in the order in
    /// which they came, so it has told of what was written before the reply.
    pub(super) fn drain_told(&mut self) {
        if self.is_anything_told() {
            self.take_all();
        }
    }

    fn take_all(&mut self) {
        let extensions = self.extensions.iter_mut();
        for stream in [&mut self.stdout, &mut self.stderr]
            .into_iter()
            .chain(extensions)
        {
            stream.drain(&mut self.journal);
        }
    }

    fn streams(&self) -> impl Iterator<Item = &Stream> {
        let own = [&self.stdout, &self.stderr].into_iter();
        own.chain(&self.extensions)
    }

    fn is_anything_told(&self) -> bool {
        self.streams().any(Stream::is_told)
    }

    /// Asks for both streams at once: most handlers write nothing.
    fn is_anything_there(&self) -> bool {
        if self.streams().any(|stream| !stream.begun.is_empty()) {
            return true;
        }
        let mut asked: Vec<PollFd<'_>> = self
            .streams()
            .filter_map(|stream| stream.pipe.as_ref())
            .map(|pipe| PollFd::new(pipe, PollFlags::IN))
            .collect();
        // When asking fails, reading will say why.
        rustix::event::poll(&mut asked, Some(&AT_ONCE)).map_or(true, |ready| 0 < ready)
    }
}

impl Stream {
    fn new(origin: LogOrigin, category: Category) -> Self {
        Self {
            origin,
            category,
            pipe: None,
            begun: BytesMut::new(),
        }
    }

    async fn ready(&self) {
        match &self.pipe {
            // Should waiting fail, reading will say so, and closes the stream.
            Some(pipe) => drop(poll_fn(|context| pipe.poll_read_ready(context)).await),
            None => std::future::pending().await,
        }
    }

    /// Whether the event loop has told of something that is not taken yet, or of an end.
    fn is_told(&self) -> bool {
        let nothing = |pipe: &Receiver| {
            // It is only tried when the loop has told of something.
            let tried = pipe.try_read(&mut []);
            tried.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        };
        !self.begun.is_empty() || self.pipe.as_ref().is_some_and(|pipe| !nothing(pipe))
    }

    /// Reads once, at most this much, after the event loop has said that there is something.
    fn read(&mut self, bytes_max: usize, journal: &mut Journal) {
        self.take(bytes_max, journal, |pipe, space| pipe.try_read(space));
    }

    /// The pipe is asked itself: the event loop may not have heard yet of what stands in it.
    fn drain(&mut self, journal: &mut Journal) {
        let mut left = match &self.pipe {
            Some(pipe) => pending_bytes(pipe),
            None => 0,
        };
        while 0 < left && self.pipe.is_some() {
            let step = left.min(READ_BYTES);
            self.take(step, journal, |pipe, space| {
                rustix::io::read(pipe.as_fd(), space).map_err(io::Error::from)
            });
            left -= step;
        }
        // A line without an end is a line all the same: what follows belongs to another request.
        if !self.begun.is_empty() {
            let line = self.begun.split().freeze();
            journal.write(self.origin, self.category, line);
        }
    }

    fn take(
        &mut self,
        bytes_max: usize,
        journal: &mut Journal,
        read: impl FnOnce(&Receiver, &mut [u8]) -> io::Result<usize>,
    ) {
        let Some(pipe) = &self.pipe else { return };
        let already = self.begun.len();
        self.begun.resize(already + bytes_max, 0);
        let result = match self.begun.get_mut(already..) {
            Some(space) => read(pipe, space),
            None => Ok(0),
        };
        let count = result.as_ref().copied().unwrap_or(0);
        self.begun.truncate(already + count);
        match result {
            Ok(0) => self.pipe = None,
            Ok(_) => self.cut(already, journal),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.pipe = None,
        }
    }

    /// Hands over the whole lines; `searched` bytes are known to hold no line end.
    fn cut(&mut self, searched: usize, journal: &mut Journal) {
        if journal.is_full {
            self.begun.clear();
            return;
        }
        let mut from = searched;
        while let Some(end) = position(&self.begun, from) {
            let mut line = self.begun.split_to(end + 1);
            line.truncate(end);
            journal.write(self.origin, self.category, line.freeze());
            from = 0;
        }
        while LINE_BYTES_MAX < self.begun.len() {
            let line = self.begun.split_to(LINE_BYTES_MAX).freeze();
            journal.write(self.origin, self.category, line);
        }
    }
}

async fn ready(stream: Option<&Stream>) {
    match stream {
        Some(stream) => stream.ready().await,
        None => std::future::pending().await,
    }
}

fn position(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.iter().position(|&byte| byte == b'\n')?;
    Some(from + found)
}

fn pending_bytes(pipe: &Receiver) -> usize {
    let pending = rustix::io::ioctl_fionread(pipe.as_fd()).unwrap_or(0);
    usize::try_from(pending).unwrap_or(usize::MAX)
}

impl Journal {
    fn write(&mut self, origin: LogOrigin, category: Category, text: Bytes) {
        self.write_at(self.clock.now(), origin, category, text);
    }

    fn write_at(&mut self, at: Timestamp, origin: LogOrigin, category: Category, text: Bytes) {
        let text = match origin {
            LogOrigin::Platform => text,
            LogOrigin::Stdout | LogOrigin::Stderr => match self.admit(text) {
                Some(text) => text,
                None => return,
            },
        };
        self.keep(&text);
        if let Some(session) = &self.session {
            session.telemetry.line(category, &text);
        }
        self.sink.write(LogLine {
            source: self.source.clone(),
            request_id: self.request_id.clone(),
            at,
            origin,
            text,
        });
    }

    /// Applies the limit, and undoes the bootstraps' way of sending a message of several lines as one: line ends
    /// inside it travel as carriage returns, as the managed runtimes write them.
    fn admit(&mut self, text: Bytes) -> Option<Bytes> {
        if self.is_full {
            return None;
        }
        self.written_bytes += text.len() + 1;
        self.written_lines += 1;
        if LOG_BYTES_MAX < self.written_bytes || LOG_LINES_MAX < self.written_lines {
            self.is_full = true;
            let limit_mb = LOG_BYTES_MAX / (1024 * 1024);
            let note = format!(
                "[cloudless] more than {limit_mb} MB or {LOG_LINES_MAX} lines of log: the rest of it is not kept"
            );
            self.write(LogOrigin::Platform, Category::Platform, note.into());
            return None;
        }
        if !text.contains(&b'\r') {
            return Some(text);
        }
        let mut plain = text.to_vec();
        while plain.last() == Some(&b'\r') {
            plain.pop();
        }
        for byte in &mut plain {
            if *byte == b'\r' {
                *byte = b'\n';
            }
        }
        Some(plain.into())
    }

    fn keep(&mut self, text: &[u8]) {
        let skipped = text.len().saturating_sub(LAMBDA_LOG_TAIL_BYTES_MAX);
        self.tail
            .extend_from_slice(text.get(skipped..).unwrap_or_default());
        self.tail.push(b'\n');
        // Shortened now and then, not at every line.
        if 4 * LAMBDA_LOG_TAIL_BYTES_MAX < self.tail.len() {
            let excess = self.tail.len() - LAMBDA_LOG_TAIL_BYTES_MAX;
            self.tail.drain(..excess);
        }
    }
}

//! Running a program for its output, within limits: whatever a manifest names may never end, or never stop talking.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use interfaces::clock::Clock;

/// How much of its output is read; what it writes beyond is not.
const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What became of a program.
pub(super) struct Ran {
    pub(super) end: End,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

/// How it ended.
pub(super) enum End {
    Exited(ExitStatus),
    /// It was killed.
    TookTooLong,
}

/// Runs it to its end, or to the end of its time. Blocks the thread.
pub(super) fn run(
    command: &mut Command,
    time_max: Duration,
    clock: &dyn Clock,
) -> std::io::Result<Ran> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let stdout = scope.spawn(move || read(stdout));
        let stderr = scope.spawn(move || read(stderr));
        let end = wait(&mut child, time_max, clock)?;
        Ok(Ran {
            end,
            stdout: stdout.join().unwrap_or_default(),
            stderr: stderr.join().unwrap_or_default(),
        })
    })
}

/// Closing the pipe when enough was read ends whoever goes on writing.
fn read(pipe: Option<impl Read>) -> Vec<u8> {
    let mut text = Vec::new();
    if let Some(pipe) = pipe {
        // What could be read is what there is.
        let _ = pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut text);
    }
    text
}

fn wait(child: &mut Child, time_max: Duration, clock: &dyn Clock) -> std::io::Result<End> {
    let began = clock.instant();
    while clock.instant().saturating_duration_since(began) < time_max {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exited(status));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    child.kill()?;
    child.wait()?;
    Ok(End::TookTooLong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::RealClock;

    fn shell(script: &str, time_max_ms: u64) -> Ran {
        let time_max = Duration::from_millis(time_max_ms);
        run(
            Command::new("sh").args(["-c", script]),
            time_max,
            &RealClock,
        )
        .unwrap()
    }

    #[test]
    fn output_and_exit_status_are_told() {
        let ran = shell("echo out; echo err >&2; exit 3", 10_000);
        assert_eq!(
            (ran.stdout, ran.stderr),
            (b"out\n".to_vec(), b"err\n".to_vec())
        );
        assert!(matches!(ran.end, End::Exited(status) if status.code() == Some(3)));
    }

    #[test]
    fn a_program_without_an_end_is_killed() {
        assert!(matches!(shell("exec sleep 60", 100).end, End::TookTooLong));
    }

    #[test]
    fn a_program_that_never_stops_talking_is_cut() {
        let ran = shell("exec yes", 10_000);
        assert_eq!(ran.stdout.len() as u64, OUTPUT_BYTES_MAX);
    }
}

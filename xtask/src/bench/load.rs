//! Putting load on a server with `wrk`, and reading what it says.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// What one run of `wrk` measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// Replies a second.
    pub(super) per_second: f64,
    /// Median latency, in milliseconds.
    pub(super) p50_ms: f64,
    /// 99th percentile, in milliseconds.
    pub(super) p99_ms: f64,
}

/// Loads the URL from so many connections; every reply must be a success.
pub(super) fn load(
    url: &str,
    connections: usize,
    duration: Duration,
    script: Option<&Path>,
) -> Result<Load> {
    let threads = if connections > 1 { "2" } else { "1" };
    let mut command = Command::new("wrk");
    command.args([
        "--latency",
        "-t",
        threads,
        "-c",
        &connections.to_string(),
        "-d",
        &format!("{}s", duration.as_secs()),
    ]);
    if let Some(script) = script {
        command.arg("-s").arg(script);
    }
    let output = command
        .arg(url)
        .output()
        .context("`wrk` did not start: install it (apt-get install wrk)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&text).with_context(|| format!("wrk on {url} said:\n{text}"))
}

fn parse(text: &str) -> Result<Load> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("not every request succeeded");
    }
    let after = |label: &str| -> Result<&str> {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(label))
            .with_context(|| format!("no line `{label}`"))?;
        Ok(line.trim_start().trim_start_matches(label).trim())
    };
    Ok(Load {
        per_second: after("Requests/sec:")?.parse()?,
        p50_ms: milliseconds(after("50%")?)?,
        p99_ms: milliseconds(after("99%")?)?,
    })
}

fn milliseconds(text: &str) -> Result<f64> {
    let unit =
        text.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.');
    let number: f64 = text.trim_end_matches(unit).parse()?;
    Ok(match unit {
        "us" => number / 1000.0,
        "ms" => number,
        "s" => number * 1000.0,
        "m" => number * 60_000.0,
        other => bail!("unknown unit `{other}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Running 1s test\n  Latency Distribution\n     50%  120.00us\n     75%    1.00ms\n     90%    2ms\n     99%    1.50s \n  10 requests in 1s\nRequests/sec:   1234.50\n";

    #[test]
    fn rate_and_percentiles_are_read() {
        assert_eq!(
            parse(SAID).unwrap(),
            Load {
                per_second: 1234.5,
                p50_ms: 0.12,
                p99_ms: 1500.0
            }
        );
    }

    #[test]
    fn a_run_with_failed_requests_does_not_count() {
        assert!(parse(&format!("{SAID}  Non-2xx or 3xx responses: 3\n")).is_err());
    }
}

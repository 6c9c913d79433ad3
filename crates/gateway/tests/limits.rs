//! The reference page of the gateway's limits, written from the constants that hold them.
//!
//! A limit that is added, removed or changed without its page fails here, and so does one that does not say what it
//! bounds. The page is written by `UPDATE_REFERENCE=1 cargo test -p gateway --test limits`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test reads the sources of its own crate"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What the names of the cloud's quotas begin with that the gateway holds.
const BEGINNINGS: [&str; 7] = [
    "GATEWAY_",
    "REST_",
    "HTTP_API_",
    "AUTHORIZER_",
    "METHOD_",
    "LOAD_BALANCER_",
    "WEBSOCKET_",
];

/// One constant that bounds something.
struct Limit {
    name: String,
    value: String,
    bounds: String,
    place: String,
}

#[test]
fn the_page_names_every_limit() {
    let page = page();
    let path = root().join("../../docs/reference/limits.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/reference/limits.md is not up to date: UPDATE_REFERENCE=1 cargo test -p gateway --test limits"
    );
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    let quotas = root().join("../model/src/limits.rs");
    let all = constants(&quotas, "the cloud");
    let mut quotas = constants(&quotas, "the cloud");
    quotas.retain(|limit| {
        let streamed = "LAMBDA_STREAMED_REPLY_BYTES_MAX";
        limit.name == streamed || BEGINNINGS.iter().any(|begin| limit.name.starts_with(begin))
    });
    let listener = listener();
    let mut own = Vec::new();
    for file in sources(&root().join("src")) {
        let place = file.strip_prefix(root().join("src")).unwrap();
        // The outermost module alone: files move within it.
        let place = place.iter().next().unwrap().to_string_lossy();
        let place = place.trim_end_matches(".rs");
        own.extend(constants(&file, place));
    }
    let templates = root().join("../mapping-templates/src/lib.rs");
    own.extend(constants(&templates, "mapping templates"));
    own.retain(|limit| limit.name.contains("_MAX") || limit.name.ends_with("WINDOW_BYTES"));
    own.sort_by(|one, other| {
        let key = |limit: &Limit| {
            (
                limit.place.clone(),
                limit.name.clone(),
                limit.bounds.clone(),
            )
        };
        key(one).cmp(&key(other))
    });
    resolve(&all, &mut own);
    let limits = quotas.iter().chain(&listener).chain(&own);
    let bare = limits.filter(|limit| limit.bounds.is_empty());
    let bare: Vec<String> = bare
        .map(|limit| format!("{} in {}", limit.name, limit.place))
        .collect();
    assert!(bare.is_empty(), "limits without a comment: {bare:?}");
    let mut page = "# Limits of the gateway\n\n\
         <!-- Written by a test: UPDATE_REFERENCE=1 cargo test -p gateway --test limits -->\n\n\
         Everything that a client can make grow, or wait, has a limit.\n"
        .to_owned();
    for (title, text, limits) in [
        (
            "The cloud's quotas",
            "Kept as documented, and answered in the cloud's words.",
            &quotas,
        ),
        (
            "Of each listener",
            "Before a request is anybody's: they bound what connections cost.",
            &listener,
        ),
        (
            "Of our own",
            "What is remembered, waited for, or read on the way.",
            &own,
        ),
    ] {
        write!(page, "\n## {title}\n\n{text}\n\n").unwrap();
        page.push_str("| limit | value | what it bounds | where |\n| --- | --- | --- | --- |\n");
        for limit in limits {
            let Limit {
                name,
                value,
                bounds,
                place,
            } = limit;
            writeln!(page, "| `{name}` | {value} | {bounds} | {place} |").unwrap();
        }
    }
    page
}

/// Source files without tests and samples, in order.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(folder).unwrap();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
        if ["tests", "sample", "testing"].contains(&name.as_str()) {
            continue;
        }
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|end| end == "rs") {
            found.push(entry);
        }
    }
    found
}

/// Constants that are numbers or times, outside of tests.
fn constants(file: &Path, place: &str) -> Vec<Limit> {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let mut found = Vec::new();
    let mut comment = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        if let Some(words) = bare.strip_prefix("///") {
            comment.push_str(words);
            continue;
        }
        let declared = [
            "const ",
            "pub const ",
            "pub(crate) const ",
            "pub(super) const ",
        ];
        let declared = declared.iter().find_map(|begin| bare.strip_prefix(begin));
        let comment = std::mem::take(&mut comment);
        let Some((name, rest)) = declared.and_then(|rest| rest.split_once(": ")) else {
            continue;
        };
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        {
            continue;
        }
        let mut rest = rest.to_owned();
        while !rest.contains(';') {
            rest.push_str(lines.next().unwrap().trim_start());
        }
        let Some((kind, value)) = rest.split_once(" = ") else {
            continue;
        };
        if ["usize", "u64", "u32", "f64", "Duration"].contains(&kind) {
            found.push(Limit {
                name: name.to_owned(),
                value: shown(name, value.split(';').next().unwrap()),
                bounds: told(&comment),
                place: place.to_owned(),
            });
        }
    }
    found
}

/// The limits of a listener, with the values that they have unless somebody sets others.
fn listener() -> Vec<Limit> {
    let text = std::fs::read_to_string(root().join("src/http/limits.rs")).unwrap();
    let mut comments: BTreeMap<String, String> = BTreeMap::new();
    let mut comment = String::new();
    let mut limits = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            comment.push_str(words);
        } else if let Some((name, _)) = line.strip_prefix("pub ").and_then(|it| it.split_once(": "))
        {
            comments.insert(name.to_owned(), std::mem::take(&mut comment));
        } else if let Some((name, value)) = line.trim_end_matches(',').split_once(": ")
            && let Some(comment) = comments.remove(name)
        {
            limits.push(Limit {
                name: name.to_owned(),
                value: shown(name, value),
                bounds: told(&comment),
                place: "http".to_owned(),
            });
        } else {
            comment.clear();
        }
    }
    assert!(comments.is_empty(), "without a default: {comments:?}");
    limits
}

/// A limit that is another one's has its value.
fn resolve(quotas: &[Limit], own: &mut [Limit]) {
    for limit in own {
        let last = limit.value.trim_matches('`').rsplit("::").next().unwrap();
        let other = quotas.iter().find(|quota| quota.name == last);
        if let Some(other) = other {
            limit.value.clone_from(&other.value);
        }
    }
}

fn told(comment: &str) -> String {
    // Links and code of the comment would lead nowhere from the page.
    let plain = comment.trim().replace(['[', ']'], "");
    plain.replace('|', "\\|")
}

/// `256 * 1024` in digits, a time in its unit, and anything else as it is written.
fn shown(name: &str, value: &str) -> String {
    let value = value.trim();
    for (begin, unit) in [
        ("Duration::from_millis(", "ms"),
        ("Duration::from_secs(", "s"),
        ("Duration::from_mins(", "min"),
        ("Duration::from_hours(", "h"),
    ] {
        let inner = value.strip_prefix(begin);
        if let Some(inner) = inner.and_then(|inner| inner.strip_suffix(')')) {
            return format!("{} {unit}", inner.replace('_', ""));
        }
    }
    let factors = value.split(" * ").map(|factor| match factor {
        "MIB" => Some(1024 * 1024),
        factor => factor.replace('_', "").parse::<u64>().ok(),
    });
    let Some(number) = factors.product::<Option<u64>>() else {
        return format!("`{value}`");
    };
    let unit = if name.to_ascii_lowercase().contains("bytes") {
        " bytes"
    } else {
        ""
    };
    format!("{}{unit}", grouped(number))
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

//! Tables of manifests with variables and what becomes of them.

use std::collections::BTreeMap;

use cloudformation::parse::{self, Dialect};
use model::ids::AccountId;
use proptest::prelude::*;

use super::*;
use crate::dotenv;

/// What services keep.
const KEPT: &[(&str, &str)] = &[
    ("/a", r#"{"kind": "text", "value": "x"}"#),
    ("/list", r#"{"kind": "list", "value": "x,y"}"#),
    (
        "/aws/reference/secretsmanager/db",
        r#"{"kind": "secret", "value": "{\"user\": \"u\"}"}"#,
    ),
    ("Url", "\"https://example.com\""),
    ("dir/key.txt", "text"),
];

/// Resolves a manifest; files and the environment are given as pairs.
fn resolved(text: &str, files: &[(&str, &str)], environment: &[(&str, &str)]) -> Resolved {
    let request = ReadRequest {
        manifest: "serverless.yml".to_owned(),
        text: text.to_owned(),
        folder_name: "project".to_owned(),
        stage: None,
        region: None,
        params: BTreeMap::from([("given".to_owned(), "value".to_owned())]),
        account: AccountId::development(),
        now_ms: 0,
    };
    let mut answers = Answers::default();
    loop {
        let root = parse::yaml("serverless.yml", text, Dialect::ServerlessFramework);
        let resolved = resolve(root.node.unwrap(), &request, &answers);
        if resolved.needs.is_empty() {
            return resolved;
        }
        for need in resolved.needs {
            let (pairs, name) = match &need {
                Need::File(name) | Need::Module(name) => (files, name),
                Need::Environment(name) => (environment, name),
                Need::Parameter { name, .. } | Need::Output { name, .. } => (KEPT, name),
                Need::Object { key, .. } => (KEPT, key),
            };
            let found = pairs.iter().find(|(known, _)| known == name);
            answers.insert(need.clone(), found.map(|(_, text)| (*text).to_owned()));
        }
    }
}

fn check(text: &str, expected: &str) {
    let result = resolved(
        text,
        &[("a.yml", "x: {y: [1, two]}\nme: ${self:custom.n}")],
        &[],
    );
    assert!(result.problems.is_empty(), "{text}: {:?}", result.problems);
    let value = result.root.get("v").unwrap().to_json().to_string();
    assert_eq!(value, expected, "{text}");
}

fn check_problem(text: &str, expected: &str) {
    let result = resolved(text, &[("bad.yml", "a: [")], &[]);
    let titles: Vec<String> = result
        .problems
        .iter()
        .map(|problem| format!("{} {}", problem.place.as_ref().unwrap(), problem.title))
        .collect();
    assert_eq!(titles.join("\n"), expected, "{text}");
}

#[test]
fn a_variable_that_stands_alone_keeps_the_type_of_its_value() {
    check("v: '${self:custom.n}'\ncustom: {n: 7}", "7");
    check(
        "v: '${self:custom.l}'\ncustom: {l: [1, {a: b}]}",
        r#"[1,{"a":"b"}]"#,
    );
    check("v: 'x${self:custom.n}'\ncustom: {n: 7}", r#""x7""#);
    check("v: '${opt:none, true}'", "true");
    check("v: '${opt:none, null}'", "null");
    check("v: '${opt:none, 0x10}'", "16");
}

#[test]
fn the_first_source_with_a_value_wins() {
    check(
        "v: \"${opt:stage, self:provider.stage, 'dev'}\"",
        r#""dev""#,
    );
    check("v: \"${self:a, self:b}\"\na: ~\nb: 2", "2");
    check("v: \"${self:a, self:b}\"\na: false\nb: 2", "false");
}

#[test]
fn what_is_no_variable_is_left_alone() {
    for text in [
        "${AWS::Region}",
        "${Upper}",
        "${lower}",
        "$x",
        "${}",
        "${a_b:c}",
        "a$",
        "${a::b}",
    ] {
        check(&format!("v: '{text}'"), &format!("{text:?}"));
    }
    check(r"v: '\${self:custom.n}'", r#""${self:custom.n}""#);
    check(
        "v: '${AWS::${self:custom.n}}'\ncustom: {n: Region}",
        r#""${AWS::Region}""#,
    );
}

#[test]
fn files_are_read_and_may_have_variables_themselves() {
    check("v: '${file(a.yml):x.y.1}'\ncustom: {n: 1}", r#""two""#);
    check("v: '${file(./b/../a.yml):me}'\ncustom: {n: 1}", "1");
    check("v: \"${file(none.yml), 'no file'}\"", r#""no file""#);
}

#[test]
fn parameters_come_from_the_command_line_the_stage_and_the_defaults() {
    let params = "params: {dev: {a: 1}, default: {a: 2, b: 3, given: 4}}";
    check(
        &format!("v: '${{param:a}}${{param:b}}${{param:given}}'\n{params}"),
        r#""13value""#,
    );
}

#[test]
fn each_mistake_is_said_once_where_it_is_made() {
    check_problem("v: '${self:v}'", "serverless.yml:1:4 `v` refers to itself");
    check_problem(
        "v: '${self:w}'\nw: '${self:v}'",
        "serverless.yml:2:4 these properties refer to one another in a circle",
    );
    check_problem(
        "v: '${self:}'",
        "serverless.yml:1:4 `${self:}` stands for the whole manifest, which contains the variable itself",
    );
    check_problem(
        "v: '${self:none}'\nw: '${self:v}'",
        "serverless.yml:1:4 the manifest has no value at `none`",
    );
    check_problem(
        "v: '${self:a'",
        "serverless.yml:1:4 the variable is not closed: a `}` is missing",
    );
    check_problem(
        "v: 'x${self:custom}'\ncustom: {}",
        "serverless.yml:1:4 a mapping cannot be a part of a text",
    );
    check_problem(
        "v: '${slef:a}'",
        "serverless.yml:1:4 no source of variables is called `slef`",
    );
    check_problem(
        "v: '${ssm:/missing}'",
        "serverless.yml:1:4 there is no parameter `/missing`",
    );
    check_problem(
        "v: '${cf:stack}'",
        "serverless.yml:1:4 `cf` needs a stack and its output, as `stack.Output`, and not `stack`",
    );
    check_problem(
        "v: '${file(/etc/passwd)}'",
        "serverless.yml:1:4 `/etc/passwd` is not a path relative to the project's folder",
    );
    check_problem(
        "v: '${strToBool(maybe)}'",
        "serverless.yml:1:4 `strToBool` cannot make a boolean of `maybe`",
    );
    check_problem(
        "v: '${sls:stge}'",
        "serverless.yml:1:4 `sls` has no value called `stge`",
    );
}

#[test]
fn values_keep_the_place_where_they_were_written() {
    let result = resolved("v: '${self:custom.n}'\ncustom:\n  n: here", &[], &[]);
    assert_eq!(result.root.get("v").unwrap().place.line, 3);
    let result = resolved("v: '${file(a.yml):x}'", &[("a.yml", "\nx: there")], &[]);
    assert_eq!(result.root.get("v").unwrap().place.to_string(), "a.yml:2:4");
}

#[test]
fn dotenv_files_are_read_as_the_package_of_that_name_does() {
    let cases = [
        ("A=1", "1"),
        ("export A = 'x y' # why", "x y"),
        ("A=\"a\\nb\"\nB=2", "a\nb"),
        ("A='two\nlines'\nB=2", "two\nlines"),
        ("B=1\nA=$B-${B}-${C:-3}-\\$B", "1-1-3-$B"),
        ("A=$HOME/x", "/home/x"),
        ("A=$A", ""),
        ("A=value # comment", "value"),
        ("A='open", "'open"),
    ];
    for (file, expected) in cases {
        let manifest = "useDotenv: true\nv: \"${env:A, ''}\"";
        let result = resolved(manifest, &[(".env", file)], &[("HOME", "/home")]);
        assert_eq!(
            result.root.get("v").and_then(Node::as_str),
            Some(expected),
            "{file}"
        );
    }
}

#[test]
fn references_that_double_in_size_come_to_an_end() {
    let mut text = "v: '${self:l40}'\nl0: [aaaaaaaaaa]\n".to_owned();
    for level in 1..=40 {
        let below = level - 1;
        text.push_str(&format!(
            "l{level}: ['${{self:l{below}}}', '${{self:l{below}}}']\n"
        ));
    }
    assert!(!resolved(&text, &[], &[]).problems.is_empty());
    let chain: String = (0..2_000)
        .map(|link| format!("c{link}: {{x: '${{self:c{}}}'}}\n", link + 1))
        .collect();
    assert!(!resolved(&chain, &[], &[]).problems.is_empty());
    let chain: String = (1..2_000)
        .map(|link| format!("c{link:05}: {{x: '${{self:c{:05}}}'}}\n", link - 1))
        .collect();
    assert!(
        !resolved(&format!("c00000: a\n{chain}"), &[], &[])
            .problems
            .is_empty()
    );
}

proptest! {
    #[test]
    fn no_dotenv_file_panics(text in r#"[A-B$={}'"`#\n\r :\\é-]{0,60}"#) {
        dotenv::expanded(&text, &|_name| None);
    }

    #[test]
    fn no_text_makes_the_grammar_panic(text in r#"[a-z$\{\}\\:,()'" .é0-9]{0,60}"#) {
        let _ = grammar::parse(&text);
    }

    #[test]
    fn spans_lie_in_the_text_in_order(text in r"[$\{\}\\:self,a('). ]{0,40}") {
        let mut end = 0;
        for variable in grammar::parse(&text).unwrap_or_default() {
            prop_assert!(end <= variable.span.start && variable.span.start < variable.span.end);
            prop_assert!(text.get(variable.span.clone()).is_some());
            end = variable.span.end;
        }
    }

    #[test]
    fn any_text_resolves_or_is_a_problem(text in r"(\$\{(self|env|file|opt)[:(][a-z.,)'$\{\}]{0,12}\}| |x|\\){0,6}") {
        let yaml = format!("v: {}\ncustom: {{a: '${{self:v}}'}}", serde_json::to_string(&text).unwrap());
        let _ = resolved(&yaml, &[], &[]);
    }
}

#[test]
fn what_services_keep_is_asked_for() {
    check("v: '${ssm:/a}'", r#""x""#);
    check("v: '${ssm:/missing, ''other''}'", r#""other""#);
    check("v: '${ssm(eu-west-1, raw):/list}'", r#""x,y""#);
    check("v: '${ssm:/list}'", r#"["x","y"]"#);
    check(
        "v: '${ssm:/aws/reference/secretsmanager/db}'",
        r#"{"user":"u"}"#,
    );
    check(
        "v: 'at ${cf(us-west-2):other-dev.Url}/x'",
        r#""at https://example.com/x""#,
    );
    check("v: '${s3:bucket/dir/key.txt}'", r#""text""#);
}

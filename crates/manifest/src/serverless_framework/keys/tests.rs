//! Tables of manifests and what is said of their keys.

use cloudformation::parse::{self, Dialect};

use super::*;

#[test]
fn every_key_stands_in_the_table_once_and_below_one_that_does() {
    let paths: Vec<&str> = all().map(|key| key.path).collect();
    for (index, path) in paths.iter().enumerate() {
        assert!(!paths[..index].contains(path), "{path} stands there twice");
        let parent = match path.strip_suffix("[]") {
            Some(list) => Some(list),
            None => path.rsplit_once('.').map(|(parent, _)| parent),
        };
        if let Some(parent) = parent {
            assert!(paths.contains(&parent), "{path} has no parent");
        }
    }
}

#[test]
fn problems_of_keys_say_where_and_what_to_do() {
    let cases = [
        (
            "provider: {Runtime: nodejs20.x}",
            "warning 1:12 `provider` has no key `Runtime` / did you mean `runtime`?",
        ),
        (
            "fucntions: {}",
            "warning 1:1 the manifest has no key `fucntions` / did you mean `functions`?",
        ),
        (
            "provider: {timeout: many}",
            "warning 1:21 `provider.timeout` is a string / it should be a number",
        ),
        ("provider: {timeout: '10', name: aws}", ""),
        ("provider: {timeout: !Ref Seconds}", ""),
        (
            "configValidationMode: error\nprovider: {xyz: 1}",
            "error 2:12 `provider` has no key `xyz` / remove it, or name the plugin that knows it",
        ),
        ("configValidationMode: off\nprovider: {xyz: 1}", ""),
        (
            "constructs: {}",
            "warning 1:1 the manifest has no key `constructs` / remove it, or name the plugin that knows it: `serverless-lift`",
        ),
        ("plugins: [serverless-lift]\nconstructs: {}", ""),
        ("plugins: {modules: [serverless-lift]}\nconstructs: {}", ""),
        (
            "plugins: [serverless-lift]\nprovider: {constructs: 1}",
            "warning 2:12 `provider` has no key `constructs` / remove it, unless one of the plugins knows it",
        ),
        (
            "functions: {a: {events: [{kafka: topic}]}}",
            "error 1:27 events of the type `kafka` are not implemented yet / the function itself is deployed, and its other events reach it",
        ),
        (
            "functions: {a: {events: [http]}}",
            "error 1:26 `functions.a.events[0]` is a string / it should be a mapping",
        ),
        (
            "functions: {a: {events: [{http: ~}]}}",
            "error 1:33 `functions.a.events[0].http` is null / it should be what calls the function, indented further than this key",
        ),
        (
            "functions: {a: here}",
            "error 1:16 `functions.a` is a string / it should be a mapping",
        ),
        (
            "functions: {a: {events: [{http: {pth: /}}]}}",
            "warning 1:34 `functions.a.events[0].http` has no key `pth` / did you mean `path`?",
        ),
        ("provider: {logs: {restApi: false}}", ""),
        (
            "provider: {logs: {restApi: true}}",
            "error 1:19 `provider.logs.restApi` is not implemented yet / the rest of the project runs without it",
        ),
    ];
    for (text, expected) in cases {
        let mut root = parse::yaml("serverless.yml", text, Dialect::ServerlessFramework)
            .node
            .unwrap();
        let mut problems = Vec::new();
        check(&mut root, &mut problems);
        let said: Vec<String> = problems.iter().map(line).collect();
        assert_eq!(said.join("\n"), expected, "{text}");
    }
}

fn line(problem: &Problem) -> String {
    let place = problem.place.as_ref().unwrap();
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = problem.help.as_deref().unwrap();
    format!(
        "{severity} {}:{} {} / {help}",
        place.line, place.column, problem.title
    )
}

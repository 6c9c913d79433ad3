//! Versions, aliases, and the concurrency that they and their functions ask for.

use super::*;

fn other(properties: Value) -> Row {
    (
        "Other",
        "AWS::Lambda::Function",
        "other",
        properties,
        json!({}),
    )
}

/// The qualifiers, and what runs under each: `qualifier -> version provisioned`.
fn qualifiers(rows: &[Row]) -> (Vec<String>, Vec<String>) {
    let (application, problems) = assemble(rows);
    let runs = application
        .qualified
        .values()
        .flatten()
        .map(|(qualifier, function)| {
            let count = function.provisioned_concurrency;
            format!("{qualifier} -> {} {count}", function.version)
        });
    let causes = problems.into_iter().filter_map(|problem| problem.cause);
    (runs.collect(), causes.collect())
}

#[test]
fn versions_and_aliases_lead_to_the_code_that_is_deployed() {
    let rows = [
        hello(json!({})),
        version(),
        alias("live", json!({"FunctionVersion": "1"})),
        alias("edge", json!({"FunctionVersion": "$LATEST"})),
    ];
    let (runs, causes) = qualifiers(&rows);
    assert_eq!(runs, ["1 -> 1 0", "edge -> $LATEST 0", "live -> 1 0"]);
    assert_eq!(causes, [""; 0]);
    let (application, _) = assemble(&rows);
    let name = FunctionName::new("hello");
    let latest = application.function(&name, None).unwrap();
    let live = application.function(&name, Some("live")).unwrap();
    assert_ne!(latest.fingerprint, live.fingerprint);
    assert_eq!(latest.arn, live.arn);
    assert!(application.function(&name, Some("other")).is_none());
    assert_eq!(application.versions().len(), 2);
}

#[test]
fn what_leads_to_a_function_that_failed_is_no_mistake_of_its_own() {
    let (id, kind, physical_id, _, attributes) = version();
    let of = |name: &str| {
        (
            id,
            kind,
            physical_id,
            json!({"FunctionName": name}),
            attributes.clone(),
        )
    };
    assert_eq!(assemble(&[of("broken")]).1, []);
    let codes =
        |problems: Vec<Problem>| -> Vec<&str> { problems.iter().map(|it| it.code).collect() };
    let (_, problems) = assemble(&[of("nobodys")]);
    assert_eq!(codes(problems), ["deployment::version-without-function"]);
    let integration = |name: &str| {
        json!({"openapi": "3.0", "paths": {"/": {"get": {"x-amazon-apigateway-integration": {
        "type": "aws_proxy", "uri": URI_OF_HELLO.replace("hello", name)}}}}})
    };
    let deployed =
        |name: &str| assemble(&[rest_api(json!({"Body": integration(name)})), deployment()]);
    assert_eq!(deployed("broken").1, []);
    assert_eq!(codes(deployed("nobodys").1), ["deployment::not-served"]);
}

#[test]
fn an_alias_provisions_the_version_that_it_stands_on() {
    let provisioned = |count: u32| json!({"ProvisionedConcurrentExecutions": count});
    let on = |version: &str, count| json!({"FunctionVersion": version, "ProvisionedConcurrencyConfig": provisioned(count)});
    let rows = [hello(json!({})), version(), alias("live", on("1", 5))];
    let (runs, causes) = qualifiers(&rows);
    assert_eq!(runs, ["1 -> 1 5", "live -> 1 5"]);
    assert_eq!(causes, [""; 0]);
}

#[test]
fn what_cannot_be_provisioned_is_refused_in_the_clouds_words() {
    let on = |version: &str, count: u32| json!({"FunctionVersion": version, "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": count}});
    let reserving = json!({"ReservedConcurrentExecutions": 4});
    let refused = |rows: &[Row], cause: &str, runs: &str| {
        let (found, causes) = qualifiers(rows);
        assert_eq!(causes, [cause]);
        assert!(found.contains(&runs.to_owned()), "{found:?}");
    };
    refused(
        &[hello(json!({})), version(), alias("edge", on("$LATEST", 1))],
        "Provisioned Concurrency Configs cannot be applied to unpublished function versions.",
        "edge -> $LATEST 0",
    );
    refused(
        &[
            hello(reserving.clone()),
            version(),
            alias("live", on("1", 5)),
        ],
        "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        "live -> 1 0",
    );
    refused(
        &[hello(json!({})), version(), alias("live", on("1", 901))],
        "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].",
        "live -> 1 0",
    );
    refused(
        &[
            hello(json!({})),
            other(json!({"ReservedConcurrentExecutions": 900})),
            version(),
            alias("live", on("1", 101)),
        ],
        "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [100].",
        "live -> 1 0",
    );
    refused(
        &[
            hello(json!({})),
            version(),
            alias("a", on("1", 1)),
            alias("b", on("1", 1)),
        ],
        "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version",
        "b -> 1 1",
    );
}

#[test]
fn an_account_keeps_a_hundred_for_functions_that_reserve_nothing_or_all_that_it_has() {
    let check = |concurrency: usize, asked: usize, minimum: Option<usize>| {
        let hello = hello(json!({"ReservedConcurrentExecutions": asked}));
        let (application, problems) = assemble_with(&[hello], concurrency);
        let reserved: Vec<Option<usize>> = application
            .functions
            .values()
            .map(|function| function.reserved_concurrency)
            .collect();
        let causes: Vec<String> = problems
            .into_iter()
            .filter_map(|problem| problem.cause)
            .collect();
        let words = minimum.map(|minimum| {
            format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{minimum}]."
            )
        });
        let granted = minimum.is_none().then_some(asked);
        let expected = (vec![granted], Vec::from_iter(words));
        assert_eq!((reserved, causes), expected, "{asked} of {concurrency}");
    };
    check(1_000, 0, None);
    check(1_000, 900, None);
    check(1_000, 901, Some(100));
    check(5_000, 4_900, None);
    check(50, 0, None);
    check(50, 1, Some(50));
    check(10, 1, Some(10));
}

#[test]
fn an_alias_of_a_function_elsewhere_is_refused() {
    let rows = [
        hello(json!({})),
        alias(
            "live",
            json!({"FunctionVersion": "1", "FunctionName": "other"}),
        ),
    ];
    let (runs, causes) = qualifiers(&rows);
    assert_eq!(runs, [""; 0]);
    assert_eq!(causes, ["no function is called `other`"]);
}

#[test]
fn an_alias_of_a_version_that_is_not_declared_runs_what_there_is_and_is_warned_of() {
    let on_seven = json!({"FunctionVersion": "7"});
    let rows = [hello(json!({})), version(), alias("live", on_seven)];
    let (runs, causes) = qualifiers(&rows);
    assert_eq!(runs, ["1 -> 1 0", "live -> 7 0"]);
    assert_eq!(
        causes,
        ["the code of earlier deployments is not kept: the code that is deployed last runs"]
    );
}

#[test]
fn an_application_can_do_without_what_it_provisions() {
    let on = json!({"FunctionVersion": "1", "ProvisionedConcurrencyConfig": {"ProvisionedConcurrentExecutions": 5}});
    let (application, _) = assemble(&[hello(json!({})), version(), alias("live", on)]);
    let without = application.without_provisioned();
    let counts = |application: &Application| -> Vec<usize> {
        let versions = application.versions();
        versions
            .iter()
            .map(|it| it.provisioned_concurrency)
            .collect()
    };
    assert_eq!(counts(&application), [0, 5]);
    assert_eq!(counts(&without), [0, 0]);
}

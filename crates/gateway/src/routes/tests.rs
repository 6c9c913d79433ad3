//! Tables of matching, precedence, stages and the choice among APIs.

use std::time::Duration;

use model::application::Application;
use model::door::{BasePathMapping, Callee, CustomDomain};
use model::http_api::{
    CorsConfiguration, HttpApi, HttpIntegration, HttpRoute, PayloadFormat, RouteKey,
};
use model::ids::{ApiId, FunctionName, LogicalId, RevisionId, StageName};
use model::problem::Place;
use model::rest_api::{RestApi, RestIntegration, RestMethod};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(29);

fn rest(id: &str, stage: &str, routes: &str) -> RestApi {
    RestApi {
        methods: routes
            .split(", ")
            .map(|route| {
                let (method, path) = route.split_once(' ').unwrap();
                let integration = RestIntegration::LambdaProxy {
                    callee: Callee::unqualified(FunctionName::new("f")),
                    timeout: TIMEOUT,
                    is_streamed: false,
                };
                RestMethod {
                    resource_id: "r1".to_owned(),
                    place: Some(Place::start_of("serverless.yml")),
                    ..RestMethod::new(path, method, integration)
                }
            })
            .collect(),
        ..RestApi::new(LogicalId::new("Api"), ApiId::new(id), StageName::new(stage))
    }
}

fn http(id: &str, stage: &str, routes: &str) -> HttpApi {
    HttpApi {
        routes: routes
            .split(", ")
            .map(|route| {
                let key = match route.split_once(' ') {
                    Some((method, path)) => RouteKey::Path {
                        http_method: method.to_owned(),
                        path: path.to_owned(),
                    },
                    None => RouteKey::Default,
                };
                let integration = HttpIntegration::Lambda {
                    callee: Callee::unqualified(FunctionName::new("f")),
                    payload_format: PayloadFormat::V2,
                    timeout: TIMEOUT,
                };
                HttpRoute::new(key, integration)
            })
            .collect(),
        ..HttpApi::new(
            LogicalId::new("HttpApi"),
            ApiId::new(id),
            StageName::new(stage),
        )
    }
}

fn application(rest_apis: Vec<RestApi>, http_apis: Vec<HttpApi>) -> Application {
    Application {
        rest_apis,
        http_apis,
        ..Application::empty(RevisionId::new("Rev-7x"))
    }
}

/// `host request` → `api route name=value… path full-path`, or what else was located.
fn located(application: &Application, host: &str, request: &str) -> String {
    let (table, _) = Table::compile(application);
    let (method, path) = request.split_once(' ').unwrap();
    let asked = Asked {
        host: Some(host),
        method,
        path,
        method_override: None,
        preflight_for: None,
    };
    match table.locate(&asked) {
        Located::Route(hit) => {
            let values: String = hit
                .route
                .path_parameters(hit.api, &hit.path)
                .map(|(name, value)| format!(" {name}={value}"))
                .collect();
            format!(
                "{} {}{values} {} {}",
                hit.api.id.as_str(),
                hit.route.key,
                hit.path,
                hit.full_path
            )
        }
        Located::Preflight(api) => format!("preflight {}", api.id),
        Located::Missing(missing) => format!(
            "missing in {}, near {}",
            missing.api.map_or("none", |api| api.id.as_str()),
            missing.near.map_or("none", |route| &route.key)
        ),
    }
}

/// The route and its values, without what `located` adds.
fn check(application: &Application, request: &str, expected: &str) {
    let found = located(application, "localhost:3000", request);
    let route = found
        .strip_prefix("a ")
        .and_then(|found| found.rsplitn(3, ' ').nth(2))
        .unwrap_or("none");
    assert_eq!(route, expected, "{request}: {found}");
}

fn check_rest(routes: &str, request: &str, expected: &str) {
    check(
        &application(vec![rest("a", "dev", routes)], Vec::new()),
        request,
        expected,
    );
}

fn check_http(routes: &str, request: &str, expected: &str) {
    check(
        &application(Vec::new(), vec![http("a", "$default", routes)]),
        request,
        expected,
    );
}

#[test]
fn a_greedy_variable_takes_the_rest_of_the_path() {
    for check in [check_rest, check_http] {
        check(
            "ANY /files/{proxy+}",
            "GET /files/a/b",
            "ANY /files/{proxy+} proxy=a/b",
        );
        check(
            "ANY /files/{proxy+}",
            "GET /files/a",
            "ANY /files/{proxy+} proxy=a",
        );
    }
}

#[test]
fn a_greedy_variable_needs_something_to_take() {
    for check in [check_rest, check_http] {
        check("ANY /files/{proxy+}", "GET /files", "none");
        check("ANY /files/{proxy+}", "GET /files/", "none");
        check("ANY /{proxy+}", "GET /", "none");
    }
}

#[test]
fn an_exact_path_wins_over_a_variable_and_that_over_a_greedy_one() {
    for check in [check_rest, check_http] {
        let routes = "GET /{proxy+}, GET /pets/{id}, GET /pets/list";
        check(routes, "GET /pets/list", "GET /pets/list");
        check(routes, "GET /pets/7", "GET /pets/{id} id=7");
        check(
            routes,
            "GET /pets/7/toys",
            "GET /{proxy+} proxy=pets/7/toys",
        );
    }
}

#[test]
fn the_examples_of_the_guide_route_as_it_says() {
    let routes = "GET /pets/dog/1, GET /pets/dog/{id}, GET /pets/{proxy+}, ANY /{proxy+}, $default";
    for (request, route) in [
        ("GET /pets/dog/1", "GET /pets/dog/1"),
        ("GET /pets/dog/2", "GET /pets/dog/{id} id=2"),
        ("GET /pets/cat/1", "GET /pets/{proxy+} proxy=cat/1"),
        ("POST /test/5", "ANY /{proxy+} proxy=test/5"),
        ("GET /", "$default"),
    ] {
        check_http(routes, request, route);
    }
}

#[test]
fn a_rest_resource_without_the_method_hands_on_to_the_greedy_one_beside_it() {
    let routes = "POST /test, ANY /test/any, OPTIONS /{proxy+}";
    check_rest(routes, "POST /test", "POST /test");
    check_rest(routes, "OPTIONS /test", "OPTIONS /{proxy+} proxy=test");
    check_rest(routes, "OPTIONS /test/any", "ANY /test/any");
    check_rest(routes, "GET /test", "none");
}

#[test]
fn a_path_that_leaves_the_tree_falls_back_to_the_nearest_greedy_resource() {
    let routes = "GET /part1, GET /{param+}, GET /part1/hardcoded-value";
    check_rest(routes, "GET /part1", "GET /part1");
    check_rest(
        routes,
        "GET /part1/hardcoded-value",
        "GET /part1/hardcoded-value",
    );
    check_rest(
        routes,
        "GET /part1/random-value",
        "GET /{param+} param=part1/random-value",
    );
}

#[test]
fn an_http_api_prefers_a_full_match_to_any_greedy_one() {
    let routes = "GET /pets/{proxy+}, GET /{kind}/dog";
    check_http(routes, "GET /pets/dog", "GET /{kind}/dog kind=pets");
    check_rest(routes, "GET /pets/dog", "GET /pets/{proxy+} proxy=dog");
}

#[test]
fn the_method_itself_wins_over_any() {
    for check in [check_rest, check_http] {
        check("ANY /pets, GET /pets", "GET /pets", "GET /pets");
        check("ANY /pets, GET /pets", "DELETE /pets", "ANY /pets");
    }
}

#[test]
fn any_is_seven_methods_and_get_is_not_head() {
    for check in [check_rest, check_http] {
        check("ANY /pets", "HEAD /pets", "ANY /pets");
        check("ANY /pets", "TRACE /pets", "none");
        check("ANY /pets", "PROPFIND /pets", "none");
        check("GET /pets", "HEAD /pets", "none");
    }
}

#[test]
fn variables_of_different_names_share_a_segment() {
    let routes = "GET /a/{x}/b, GET /a/{y}/c";
    check_http(routes, "GET /a/1/b", "GET /a/{x}/b x=1");
    check_http(routes, "GET /a/1/c", "GET /a/{y}/c y=1");
}

#[test]
fn a_variable_never_takes_an_empty_segment() {
    for check in [check_rest, check_http] {
        check("GET /a/{x}/b", "GET /a//b", "none");
    }
}

#[test]
fn a_rest_api_ignores_slashes_at_the_end_and_an_http_api_does_not() {
    check_rest("GET /pets", "GET /pets/", "GET /pets");
    check_http("GET /pets", "GET /pets/", "none");
    check_rest("ANY /{proxy+}", "GET /a/", "ANY /{proxy+} proxy=a");
    check_http("ANY /{proxy+}", "GET /a/", "ANY /{proxy+} proxy=a/");
}

#[test]
fn a_rest_api_keeps_encodings_and_an_http_api_decodes_before_it_matches() {
    check_rest("GET /x/{id}", "GET /x/a%2Fb", "GET /x/{id} id=a%2Fb");
    check_http("GET /x/{id}", "GET /x/a%2Fb", "none");
    check_rest("GET /x/{id}", "GET /x/%40me", "GET /x/{id} id=%40me");
    check_http("GET /x/{id}", "GET /x/%40me", "GET /x/{id} id=@me");
    check_http("GET /x/{id}", "GET /x/a%252Fb", "GET /x/{id} id=a%2Fb");
}

#[test]
fn dots_are_text_like_any_other() {
    check_rest(
        "ANY /{proxy+}",
        "GET /../../etc/passwd",
        "ANY /{proxy+} proxy=../../etc/passwd",
    );
    check_http(
        "ANY /{proxy+}",
        "GET /%2e%2e/etc",
        "ANY /{proxy+} proxy=../etc",
    );
}

#[test]
fn double_slashes_stay_inside_the_path_and_vanish_before_it() {
    let app = application(
        vec![rest("a", "stage", "ANY /{proxy+}, ANY /hardcoded")],
        Vec::new(),
    );
    // As recorded from the cloud: what `path` and `requestContext.path` say.
    for (request, expected) in [
        (
            "GET /stage/proxy-value",
            "proxy=proxy-value /proxy-value /stage/proxy-value",
        ),
        (
            "GET /stage/proxy-value/",
            "proxy=proxy-value /proxy-value/ /stage/proxy-value/",
        ),
        (
            "GET /stage/proxy-value//double-slash",
            "proxy=proxy-value//double-slash /proxy-value//double-slash /stage/proxy-value//double-slash",
        ),
        (
            "GET //stage/proxy-value",
            "proxy=proxy-value /proxy-value /stage/proxy-value",
        ),
        (
            "GET /stage//proxy-value",
            "proxy=proxy-value /proxy-value /stage//proxy-value",
        ),
    ] {
        let found = located(&app, "localhost", request);
        assert_eq!(found, format!("a ANY /{{proxy+}} {expected}"), "{request}");
    }
    assert_eq!(
        located(&app, "localhost", "GET /stage//hardcoded"),
        "a ANY /hardcoded /hardcoded /stage//hardcoded"
    );
}

#[test]
fn the_stage_may_be_left_out() {
    let app = application(vec![rest("a", "dev", "GET /pets, GET /")], Vec::new());
    for (request, expected) in [
        ("GET /dev/pets", "a GET /pets /pets /dev/pets"),
        ("GET /pets", "a GET /pets /pets /dev/pets"),
        ("GET /dev", "a GET / / /dev"),
        ("GET /", "a GET / / /dev/"),
        ("GET /dev/", "a GET / / /dev/"),
    ] {
        assert_eq!(located(&app, "localhost", request), expected, "{request}");
    }
}

#[test]
fn a_path_that_begins_like_the_stage_is_still_found() {
    let app = application(vec![rest("a", "dev", "GET /dev/tools")], Vec::new());
    assert_eq!(
        located(&app, "localhost", "GET /dev/tools"),
        "a GET /dev/tools /dev/tools /dev/dev/tools"
    );
}

#[test]
fn an_http_api_shows_its_stage_unless_it_is_the_default_one() {
    let named = application(Vec::new(), vec![http("a", "live", "GET /pets")]);
    assert_eq!(
        located(&named, "localhost", "GET /live/pets"),
        "a GET /pets /pets /live/pets"
    );
    let default = application(Vec::new(), vec![http("a", "$default", "GET /pets")]);
    assert_eq!(
        located(&default, "localhost", "GET /pets"),
        "a GET /pets /pets /pets"
    );
}

#[test]
fn the_host_name_chooses_the_api_and_otherwise_the_stage_does() {
    let app = application(
        vec![rest("one", "dev", "GET /x"), rest("two", "live", "GET /x")],
        vec![http("three", "$default", "GET /x, $default")],
    );
    for (host, request, api) in [
        (
            "two.execute-api.us-east-1.amazonaws.com",
            "GET /live/x",
            "two",
        ),
        ("two.execute-api.localhost:3000", "GET /x", "two"),
        (
            "two.execute-api.localhost:3000",
            "GET /y",
            "missing in two,",
        ),
        ("three.execute-api.localhost", "GET /x", "three"),
        ("localhost", "GET /live/x", "two"),
        ("localhost", "GET /dev/x", "one"),
        ("localhost", "GET /x", "three"),
        ("localhost", "GET /y", "three"),
        ("unknown.execute-api.localhost", "GET /x", "three"),
    ] {
        let found = located(&app, host, request);
        assert!(found.starts_with(api), "{host} {request}: {found}");
    }
}

#[test]
fn a_missing_route_names_the_nearest() {
    let app = application(vec![rest("a", "dev", "GET /pets/{id}")], Vec::new());
    assert_eq!(
        located(&app, "localhost", "POST /dev/pets/7"),
        "missing in a, near GET /pets/{id}"
    );
    assert_eq!(
        located(&app, "localhost", "POST /nothing"),
        "missing in a, near none"
    );
    assert_eq!(
        located(&application(Vec::new(), Vec::new()), "localhost", "GET /"),
        "missing in none, near none"
    );
}

#[test]
fn a_preflight_goes_to_the_http_api_that_has_the_route() {
    let mut second = http("second", "$default", "POST /pets");
    second.cors = Some(CorsConfiguration::default());
    let app = application(
        Vec::new(),
        vec![http("first", "$default", "GET /cats"), second],
    );
    let (table, _) = Table::compile(&app);
    for (path, preflight_for, is_preflight) in [
        ("/pets", Some("POST"), true),
        ("/pets", Some("PUT"), true),
        ("/nothing", Some("PUT"), true),
        ("/pets", None, false),
    ] {
        let asked = Asked {
            host: None,
            method: "OPTIONS",
            path,
            method_override: None,
            preflight_for,
        };
        let found = table.locate(&asked);
        assert_eq!(
            matches!(found, Located::Preflight(_)),
            is_preflight,
            "{path} {preflight_for:?}"
        );
    }
}

#[test]
fn clashes_and_impossible_paths_are_problems() {
    let codes = |application: &Application| -> Vec<&'static str> {
        let (_, problems) = Table::compile(application);
        problems.into_iter().map(|problem| problem.code).collect()
    };
    let one = |routes: &str| application(vec![rest("a", "dev", routes)], Vec::new());
    assert_eq!(
        codes(&one("GET /a/{x}, GET /a/{y}")),
        ["gateway::duplicate-route"]
    );
    assert_eq!(codes(&one("GET /a, POST /a")), [""; 0]);
    assert_eq!(codes(&one("GET /x{id}")), ["gateway::bad-path"]);
    let two = application(
        vec![rest("a", "dev", "GET /x")],
        vec![http("b", "$default", "GET /x, $default")],
    );
    assert_eq!(codes(&two), [""; 0]);
    let (table, _) = Table::compile(&two);
    for (path, api) in [("/x", "b"), ("/dev/x", "a")] {
        let found = table.locate(&Asked {
            host: None,
            method: "GET",
            path,
            method_override: None,
            preflight_for: None,
        });
        assert_eq!(found.api().map(|api| api.id.as_str()), Some(api), "{path}");
    }
    let stages = application(
        vec![rest("a", "dev", "GET /x"), rest("b", "live", "GET /x")],
        Vec::new(),
    );
    assert_eq!(codes(&stages), ["gateway::route-clash"]);
    let twice = application(
        Vec::new(),
        vec![http("b", "$default", "$default, $default")],
    );
    assert_eq!(codes(&twice), ["gateway::duplicate-route"]);
}

#[test]
fn a_thousand_routes_are_all_found() {
    let routes: Vec<String> = (0..1_000).map(|n| format!("GET /r{n}/{{id}}/x")).collect();
    let app = application(vec![rest("a", "dev", &routes.join(", "))], Vec::new());
    check(&app, "GET /r0/7/x", "GET /r0/{id}/x id=7");
    check(&app, "GET /r999/7/x", "GET /r999/{id}/x id=7");
    check(&app, "GET /r1000/7/x", "none");
}

#[test]
fn a_hostile_path_costs_no_more_than_the_table_is_large() {
    // Text and variable at every level: a search that forgot where it had been would take 2^20 steps.
    let mut routes = Vec::new();
    for level in 1..=20 {
        routes.push(format!("GET {}/end", "/a".repeat(level)));
        routes.push(format!("POST {}/end", "/{v}".repeat(level)));
    }
    check_rest(
        &routes.join(", "),
        &format!("GET {}", "/a".repeat(4_000)),
        "none",
    );
}

#[test]
fn the_listing_shows_stages_and_who_answers() {
    let mut app = application(
        vec![rest("a", "dev", "ANY /api/{proxy+}, GET /shut")],
        vec![
            http("b", "$default", "GET /hello, $default"),
            http("c", "live", "GET /x"),
        ],
    );
    let reason = || "an API key guards it".to_owned();
    app.rest_apis[0].methods[1].integration = RestIntegration::NotServed { reason: reason() };
    app.http_apis[1].routes[0].integration = HttpIntegration::NotServed { reason: reason() };
    let rows: Vec<String> = routes_table(&app)
        .into_iter()
        .map(|row| {
            format!(
                "{} {} {} {}",
                row.kind.as_str(),
                row.method,
                row.path,
                row.answered_by
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            "REST ANY /dev/api/{proxy+} f",
            "REST GET /dev/shut not served: an API key guards it",
            "HTTP GET /hello f",
            "HTTP ANY $default f",
            "HTTP GET /live/x not served: an API key guards it"
        ]
    );
}

#[test]
fn a_rest_api_obeys_a_method_override_and_an_http_api_does_not() {
    let rest_api = application(vec![rest("a", "dev", "PUT /x, POST /x")], Vec::new());
    let http_api = application(Vec::new(), vec![http("a", "$default", "PUT /x, POST /x")]);
    for (application, method_override, expected) in [
        (&rest_api, Some("PUT"), "PUT"),
        (&rest_api, Some("BREW"), "POST"),
        (&rest_api, None, "POST"),
        (&http_api, Some("PUT"), "POST"),
    ] {
        let (table, _) = Table::compile(application);
        let asked = Asked {
            host: None,
            method: "POST",
            method_override,
            path: "/x",
            preflight_for: None,
        };
        let Located::Route(hit) = table.locate(&asked) else {
            panic!("no route for {method_override:?}");
        };
        assert_eq!((hit.method, hit.route.method()), (expected, expected));
    }
}

#[test]
fn a_custom_domain_leads_where_its_base_paths_say_and_nowhere_else() {
    let mut application = application(
        vec![rest("rest", "dev", "GET /pets/{id}")],
        vec![http("web", "$default", "GET /pets/{id}")],
    );
    let mapping = |base_path: &str, api: &str, stage: &str| BasePathMapping {
        base_path: base_path.to_owned(),
        api: ApiId::new(api),
        stage: StageName::new(stage),
    };
    application.domains.push(CustomDomain {
        name: "api.example.com".to_owned(),
        mappings: vec![
            mapping("v1", "rest", "dev"),
            mapping("v2/web", "web", "$default"),
        ],
        place: None,
    });
    let table = Table::compile(&application).0;
    for (host, path, expected) in [
        (
            "api.example.com",
            "/v1/pets/7",
            "rest /pets/7 /v1/pets/7 /v1/pets/7",
        ),
        (
            "api.example.com:3000",
            "/v2/web/pets/7",
            "web /pets/7 /v2/web/pets/7 /v2/web/pets/7",
        ),
        ("api.example.com", "/dev/pets/7", "nothing"),
        ("api.example.com", "/pets/7", "nothing"),
        (
            "localhost",
            "/dev/pets/7",
            "rest /pets/7 /dev/pets/7 /pets/7",
        ),
    ] {
        let asked = Asked {
            host: Some(host),
            method: "GET",
            method_override: None,
            path,
            preflight_for: None,
        };
        let shown = match table.locate(&asked) {
            Located::Route(hit) => {
                format!(
                    "{} {} {} {}",
                    hit.api.id,
                    hit.path,
                    hit.full_path,
                    hit.shown_path()
                )
            }
            Located::Preflight(_) | Located::Missing(_) => "nothing".to_owned(),
        };
        assert_eq!(shown, expected, "{host}{path}");
    }
}

//! Cases of deploying against a provider that remembers, and a store that breaks when it is told to.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cloudformation::parse::{self, Dialect};
use cloudformation::template::Template;
use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use interfaces::stored_values::{Found, Kind, NoValue, Reference, StoredValues, Wanted};
use model::ids::{AccountId, LogicalId, Region, StackName};
use model::problem::{Problem, Severity};
use serde_json::{Value, json};
use store::sealing::{NoSeal, Seal, Seals};
use store::{
    Batch, Bytes, CommitError, Direction, Page, PageLimit, Range, ReadError, Row, Store,
    Versionstamp,
};

use super::*;
use crate::records::RecordProvider;

/// When the store breaks: before or after the commit with this number (from 1) is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    Never,
    Before(usize),
    After(usize),
}

struct Rows {
    rows: Mutex<BTreeMap<Vec<u8>, Bytes>>,
    crash: Mutex<Crash>,
    commits: AtomicUsize,
}

impl Rows {
    fn new() -> Self {
        Self {
            rows: Mutex::new(BTreeMap::new()),
            crash: Mutex::new(Crash::Never),
            commits: AtomicUsize::new(0),
        }
    }

    fn arm(&self, crash: Crash) {
        *self.crash.lock().unwrap() = crash;
        self.commits.store(0, Ordering::SeqCst);
    }

    fn commits(&self) -> usize {
        self.commits.load(Ordering::SeqCst)
    }
}

impl Store for Rows {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move { Ok(self.rows.lock().unwrap().get(key).cloned()) })
    }

    fn scan<'a>(
        &'a self,
        range: &'a Range,
        _direction: Direction,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        let end = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.lock().unwrap();
        let mut found: Vec<Row> = rows
            .range((Bound::Included(range.start.clone()), end))
            .map(|(key, value)| Row {
                key: key.clone().into(),
                value: value.clone(),
            })
            .collect();
        let more = limit.rows_max < found.len();
        found.truncate(limit.rows_max);
        Box::pin(async move { Ok(Page { rows: found, more }) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Versionstamp, CommitError>> {
        Box::pin(async move {
            let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
            let crash = *self.crash.lock().unwrap();
            let is_broken = match crash {
                Crash::Never => false,
                Crash::Before(at) => at <= number,
                Crash::After(at) => at < number,
            };
            if is_broken {
                return Err(CommitError::Closed);
            }
            for write in batch.writes() {
                let (key, value) = write.stamped(Versionstamp::new(1));
                let mut rows = self.rows.lock().unwrap();
                match value {
                    Some(value) => rows.insert(key.to_vec(), value),
                    None => rows.remove(&key[..]),
                };
            }
            if crash == Crash::After(number) {
                return Err(CommitError::Closed);
            }
            Ok(Versionstamp::new(1))
        })
    }
}

/// Things with a name. `Fixed` cannot be changed, `Refused` is not carried out, `Broken` fails.
#[derive(Default)]
struct Things {
    world: Mutex<BTreeMap<String, Properties>>,
    calls: Mutex<Vec<String>>,
}

impl Things {
    fn note(&self, what: &str, request: &ResourceRequest) {
        let line = format!("{what} {}", request.logical_id);
        self.calls.lock().unwrap().push(line);
    }

    fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn world(&self) -> Value {
        json!(*self.world.lock().unwrap())
    }
}

fn made(physical_id: &str) -> Made {
    let attributes = json!({"Arn": format!("arn:thing:{physical_id}"), "Nested.Part": 7});
    Made {
        physical_id: physical_id.to_owned(),
        attributes: attributes.as_object().unwrap().clone(),
    }
}

fn name_of(request: &ResourceRequest) -> String {
    let name = request.properties.get("Name").and_then(Value::as_str);
    name.unwrap_or(&request.generated_name).to_owned()
}

impl ResourceProvider for Things {
    fn resource_types(&self) -> &[&'static str] {
        &["Test::Thing"]
    }

    fn check(&self, _resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let refused = properties.get("List").and_then(|list| list.get(1));
        refused
            .map(|_| PropertyProblem {
                path: vec!["List".to_owned(), "1".to_owned()],
                severity: Severity::Error,
                title: "one is enough".to_owned(),
                cause: None,
                help: None,
            })
            .into_iter()
            .collect()
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        name_of(request)
    }

    fn plan_update(&self, _type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        if old.get("Fixed") != new.get("Fixed") || old.get("Name") != new.get("Name") {
            UpdatePlan::Replace
        } else {
            UpdatePlan::InPlace
        }
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move {
            self.note("create", request);
            if let Some(how) = request.properties.get("Broken") {
                let how = how.as_str().map(|how| format!("it broke: {how}"));
                let message = how.unwrap_or_else(|| "it broke".to_owned());
                return Err(ProviderError { message });
            }
            let name = name_of(request);
            let mut world = self.world.lock().unwrap();
            world
                .entry(name.clone())
                .or_insert_with(|| request.properties.clone());
            Ok(made(&name))
        })
    }

    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        _old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move {
            self.note("update", request);
            if request.properties.contains_key("Broken") {
                let message = "it broke".to_owned();
                return Err(ProviderError { message });
            }
            let mut world = self.world.lock().unwrap();
            world.insert(physical_id.to_owned(), request.properties.clone());
            Ok(made(physical_id))
        })
    }

    fn items<'a>(
        &'a self,
        _physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Option<u64>> {
        let items = request.properties.get("Items").and_then(Value::as_u64);
        Box::pin(std::future::ready(items))
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move {
            self.note("delete", request);
            self.world.lock().unwrap().remove(physical_id);
            Ok(())
        })
    }
}

/// Knows a few parameters and secrets.
struct Values;

impl StoredValues for Values {
    fn look_up<'a>(&'a self, wanted: &'a Wanted) -> BoxFuture<'a, Result<Found, NoValue>> {
        let known = match &wanted.reference {
            Reference::Parameter(name) if name == "/a" => Some(("parameter", Kind::Text)),
            Reference::Parameter(name) if name == "/sealed" => Some(("sealed", Kind::Secret)),
            Reference::Secret { id, .. } if id == "db" => Some((r#"{"user":"u"}"#, Kind::Secret)),
            Reference::Parameter(name) if name == "/broken" => Some(("TOP-SECRET", Kind::Secret)),
            Reference::Parameter(name) if name == "/unknown" => Some(("/unknown", Kind::StandIn)),
            Reference::Parameter(_) | Reference::Secret { .. } => None,
        };
        let found = known.map(|(value, kind)| Found {
            value: value.to_owned(),
            kind,
        });
        let reason = "ParameterNotFound".to_owned();
        Box::pin(std::future::ready(found.ok_or(NoValue { reason })))
    }
}

struct Bench {
    store: Arc<Rows>,
    things: Arc<Things>,
    deployer: Deployer,
}

impl Bench {
    fn new() -> Self {
        let store = Arc::new(Rows::new());
        let things = Arc::new(Things::default());
        let deployer = Deployer::new(
            store.clone(),
            vec![things.clone(), Arc::new(RecordProvider::new())],
            Arc::new(Values),
        );
        Self {
            store,
            things,
            deployer,
        }
    }

    fn run<T>(&self, text: &str, work: impl FnOnce(&Deployer, DeployRequest<'_>) -> T) -> T {
        let parsed = parse::yaml("t.yml", text, Dialect::CloudFormation);
        assert_eq!(parsed.problems, []);
        let (template, _problems) = Template::read(&parsed.node.unwrap());
        let account = AccountId::development();
        let region = Region::new("eu-west-1");
        let stack = StackName::new("s");
        let parameters = BTreeMap::new();
        work(
            &self.deployer,
            DeployRequest {
                account: &account,
                region: &region,
                stack: &stack,
                template: &template,
                parameters: &parameters,
                looked_up: &LookedUp::default(),
                removals: Removals::ByPolicy,
            },
        )
    }

    fn try_deploy(&self, text: &str) -> Result<Deployed, StateError> {
        self.run(text, |deployer, request| {
            let future: BoxFuture<'_, Result<Deployed, StateError>> =
                Box::pin(deployer.deploy(request));
            runtime().block_on(future)
        })
    }

    fn deploy(&self, text: &str) -> Deployed {
        self.try_deploy(text).unwrap()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

/// A name of the next generation after a crash is as good as the first.
fn without_suffix(text: &str) -> String {
    let generated = regex_lite::Regex::new("-[A-Z2-7]{12}").unwrap();
    generated.replace_all(text, "-SUFFIX").into_owned()
}

fn shown(problems: &[Problem]) -> Vec<String> {
    problems
        .iter()
        .map(|one| {
            let place = one.place.as_ref().map_or("-".to_owned(), |place| {
                format!("{}:{}", place.line, place.column)
            });
            let cause = one.cause.as_deref().unwrap_or_default();
            format!("{place} {}: {} [{cause}]", one.code, one.title)
        })
        .collect()
}

const FIRST: &str = "
Resources:
  Kept: {Type: Test::Thing, Properties: {Name: kept, V: 1}}
  Changed: {Type: Test::Thing, Properties: {Name: changed, V: 1, Of: !GetAtt Kept.Arn}}
  Anew: {Type: Test::Thing, Properties: {Fixed: 1}}
  Gone: {Type: Test::Thing, Properties: {Name: gone, Of: !Ref Changed}}
  Stays: {Type: Test::Thing, DeletionPolicy: Retain, Properties: {Name: stays}}
Outputs:
  Out: {Value: !Ref Anew, Export: {Name: out}}
";

const SECOND: &str = "
Resources:
  Kept: {Type: Test::Thing, Properties: {Name: kept, V: 1}}
  Changed: {Type: Test::Thing, Properties: {Name: changed, V: 2, Of: !GetAtt Kept.Arn}}
  Anew: {Type: Test::Thing, Properties: {Fixed: 2}}
  New: {Type: Test::Thing, Properties: {Name: new, Of: !Sub '${Anew}/${Changed.Nested.Part}'}}
Outputs:
  Out: {Value: !Ref New, Export: {Name: out2}}
";

#[test]
fn a_second_deployment_changes_only_what_changed() {
    let bench = Bench::new();
    let first = bench.deploy(FIRST);
    assert_eq!(shown(&first.problems), [""; 0]);
    assert_eq!(first.changes.created.len(), 5);
    let out = first.outputs["Out"].as_str().unwrap();
    assert_eq!(without_suffix(out), "s-Anew-SUFFIX");
    bench.things.take_calls();

    bench.store.arm(Crash::Never);
    let again = bench.deploy(FIRST);
    assert!(again.changes.is_empty());
    assert_eq!(again.revision, first.revision);
    assert_eq!(again.resources, first.resources);
    assert_eq!(bench.things.take_calls(), [""; 0]);
    assert_eq!(bench.store.commits(), 0, "an idle start writes nothing");

    let second = bench.deploy(SECOND);
    assert_eq!(shown(&second.problems), [""; 0]);
    assert_ne!(second.revision, first.revision);
    assert_eq!(
        bench.things.take_calls(),
        [
            "update Changed",
            "create Anew",
            "create New",
            "delete Gone",
            "delete Anew"
        ]
    );
    insta::assert_snapshot!(format!("{:?}", second.changes), @r#"Changes { created: [LogicalId("New")], updated: [LogicalId("Changed")], replaced: [LogicalId("Anew")], deleted: [LogicalId("Gone")], kept: [LogicalId("Stays")], failed: [], skipped: [] }"#);
}

#[test]
fn what_is_deleted_with_its_data_is_told() {
    let bench = Bench::new();
    let keeps =
        "  Keeps: {Type: Test::Thing, DeletionPolicy: Retain, Properties: {Name: k, Items: 5}}\n";
    let fixed = |fixed: u8| {
        format!("  Anew: {{Type: Test::Thing, Properties: {{Items: 2, Fixed: {fixed}}}}}\n")
    };
    let gone = "  Gone: {Type: Test::Thing, Properties: {Name: gone, Items: 3}}\n";
    let bare = "  Bare: {Type: Test::Thing}\n";
    let first = bench.deploy(&format!("Resources:\n{keeps}{gone}{bare}{}", fixed(1)));
    assert_eq!(first.emptied, []);
    let second = bench.deploy(&format!("Resources:\n{}", fixed(2)));
    let told: Vec<_> = second
        .emptied
        .iter()
        .map(|it| (it.items, it.is_replaced))
        .collect();
    assert_eq!(told, [(3, false), (2, true)]);
    assert_eq!(second.emptied[0].physical_id, "gone");
}

#[test]
fn a_crash_at_any_point_is_mended_by_the_next_deployment() {
    let undisturbed = Bench::new();
    undisturbed.deploy(FIRST);
    undisturbed.store.arm(Crash::Never);
    let wanted = undisturbed.deploy(SECOND);
    let commits = undisturbed.store.commits();
    assert!(8 < commits, "the case has steps enough: {commits}");
    for at in 1..=commits {
        for crash in [Crash::Before(at), Crash::After(at)] {
            let bench = Bench::new();
            bench.deploy(FIRST);
            bench.store.arm(crash);
            assert!(bench.try_deploy(SECOND).is_err(), "{crash:?}");
            bench.store.arm(Crash::Never);
            let mended = bench.deploy(SECOND);
            assert_eq!(shown(&mended.problems), [""; 0], "{crash:?}");
            let world = without_suffix(&bench.things.world().to_string());
            assert_eq!(
                world,
                without_suffix(&undisturbed.things.world().to_string()),
                "{crash:?}"
            );
            let resources = without_suffix(&format!("{:?}", mended.resources));
            assert_eq!(
                resources,
                without_suffix(&format!("{:?}", wanted.resources)),
                "{crash:?}"
            );
            bench.things.take_calls();
            assert!(bench.deploy(SECOND).changes.is_empty(), "{crash:?}");
        }
    }
}

#[test]
fn a_crash_before_a_change_of_mind_leaves_nothing_behind() {
    for at in 1..=20 {
        for crash in [Crash::Before(at), Crash::After(at)] {
            let bench = Bench::new();
            bench.deploy(FIRST);
            let before = bench.things.world();
            bench.store.arm(crash);
            let _ = bench.try_deploy(SECOND);
            bench.store.arm(Crash::Never);
            let back = bench.deploy(FIRST);
            assert_eq!(shown(&back.problems), [""; 0], "{crash:?}");
            let names = |world: &Value| -> Vec<String> {
                let keys = world.as_object().unwrap().keys();
                // What was replaced gets another name.
                keys.map(|key| key.chars().take(7).collect()).collect()
            };
            assert_eq!(names(&bench.things.world()), names(&before), "{crash:?}");
        }
    }
}

#[test]
fn a_failed_resource_is_one_problem_and_all_else_runs() {
    let bench = Bench::new();
    let deployed = bench.deploy(
        "
Resources:
  Bad: {Type: Test::Thing, Properties: {Broken: true}}
  Behind: {Type: Test::Thing, Properties: {Of: !Ref Bad}}
  After: {Type: Test::Thing, DependsOn: Bad}
  Two:
    Type: Test::Thing
    Properties:
      List:
        - a
        - b
  Wrong: {Type: Test::Thing, Properties: {Of: !GetAtt Good.Nope}}
  Strange: {Type: AWS::Moon::Rocket, Properties: {A: 1}}
  Good: {Type: Test::Thing, Properties: {Name: good, Arn: !GetAtt Strange.RocketArn}}
  RoundA: {Type: Test::Thing, Properties: {Of: !Ref RoundB}}
  RoundB: {Type: Test::Thing, Properties: {Of: !GetAtt RoundA.Arn}}
",
    );
    insta::assert_snapshot!(shown(&deployed.problems).join("\n"), @r#"
    15:48 order::circular: circular dependency between resources: [RoundA, RoundB] [`RoundA` refers on at t.yml:15:48; `RoundB` refers on at t.yml:16:48]
    3:3 deployment::failed: `Bad` (Test::Thing) could not be created [it broke]
    11:11 deployment::property: Test::Thing: one is enough []
    13:19 deployment::unknown-type: `AWS::Moon::Rocket` is not made here [`Strange` is skipped; references to it get a plausible name, behind which there is nothing]
    12:47 intrinsics::invalid: `Good` (Test::Thing) has no attribute `Nope` [its attributes here are Arn, Nested.Part]
    "#);
    let property = |id: &str, name: &str| {
        let mut resources = deployed.resources.iter();
        let found = resources.find(|resource| resource.logical_id.as_str() == id);
        found.unwrap().properties[name].as_str().unwrap().to_owned()
    };
    assert!(property("Behind", "Of").starts_with("s-Bad-"));
    let arn = property("Good", "Arn");
    assert!(
        arn.starts_with("arn:aws:moon:eu-west-1:000000000000:s-Strange-"),
        "{arn}"
    );
    assert_eq!(deployed.resources.len(), 3);
    assert_eq!(deployed.changes.skipped.len(), 2);
}

#[test]
fn a_failed_change_leaves_the_old_resource_in_service() {
    let bench = Bench::new();
    let of = |rest: &str| {
        format!(
            "Resources:\n  A: {{Type: Test::Thing, Properties: {{Name: a, {rest}}}}}\n  B: {{Type: Test::Thing, Properties: {{Of: !Ref A}}}}\n"
        )
    };
    bench.deploy(&of("V: 1"));
    for broken in ["V: 2, Broken: yes", "Fixed: 3", "Fixed: 3, Broken: yes"] {
        let deployed = bench.deploy(&of(broken));
        assert_eq!(deployed.problems.len(), 1, "{broken}");
        assert_eq!(deployed.resources[0].properties["V"], json!(1), "{broken}");
        assert_eq!(deployed.resources.len(), 2);
    }
    assert_eq!(bench.deploy(&of("V: 4")).problems, []);
    assert_eq!(bench.things.world()["a"]["V"], json!(4));
}

#[test]
fn a_failed_creation_keeps_its_name_for_the_next_try() {
    let bench = Bench::new();
    bench.deploy("Resources:\n  A: {Type: Test::Thing, Properties: {Broken: 1}}");
    let second = bench.deploy("Resources:\n  A: {Type: Test::Thing}");
    let expected = naming::generated(&StackName::new("s"), &LogicalId::new("A"), 0);
    assert_eq!(second.resources[0].physical_id, expected);
}

#[test]
fn two_states_name_a_resource_alike_and_what_is_kept_or_replaced_shares_its_name_with_nothing() {
    let text = |fixed: u8| {
        format!(
            "Resources:\n  A: {{Type: Test::Thing, DeletionPolicy: Retain, Properties: {{Fixed: {fixed}}}}}"
        )
    };
    let name =
        |bench: &Bench, fixed: u8| bench.deploy(&text(fixed)).resources[0].physical_id.clone();
    let bench = Bench::new();
    let first = name(&bench, 1);
    assert_eq!(first, name(&Bench::new(), 1), "another state");
    let second = name(&bench, 2);
    assert_ne!(first, second, "a replacement");
    assert_eq!(bench.deploy("Resources: {}").changes.kept.len(), 1);
    let third = name(&bench, 2);
    assert!(
        ![&first, &second].contains(&&third),
        "after one that was kept"
    );
    let world = bench.things.world();
    assert_eq!(world.as_object().unwrap().keys().count(), 2, "{world}");
}

#[test]
fn nothing_is_deleted_while_anything_is_wrong() {
    let kept = "  Kept: {Type: Test::Thing, Properties: {Name: kept, V: 1}}\n";
    let cases = [
        format!("Conditions: {{C: !Equals [a]}}\nResources:\n{kept}"),
        format!("Resources:\n{kept}  Changed: {{Typ: Test::Thing}}\n"),
        format!(
            "Resources:\n{kept}  New: {{Type: Test::Thing, Properties: {{Of: !Ref Changed}}}}\n"
        ),
        format!("Resources:\n{kept}  New: {{Type: Test::Thing, Properties: {{Broken: 1}}}}\n"),
    ];
    for text in cases {
        let bench = Bench::new();
        bench.deploy(FIRST);
        let deployed = bench.deploy(&text);
        assert!(deployed.changes.deleted.is_empty(), "{text}");
        assert_eq!(bench.things.world().as_object().unwrap().len(), 5, "{text}");
        assert!(bench.deploy(FIRST).changes.is_empty(), "{text}");
    }
}

#[test]
fn exports_are_imported_and_belong_to_one_stack() {
    let bench = Bench::new();
    bench.deploy(FIRST);
    let importing = "Resources:\n  A: {Type: Test::Thing, Properties: {Of: !ImportValue out, No: !ImportValue nope}}";
    let found = bench.deploy(importing);
    assert_eq!(
        shown(&found.problems),
        [
            "2:65 intrinsics::invalid: no export is called `nope` [CloudFormation: no export named nope found; no stack that exports it was deployed here (a check sees no other stacks)]"
        ]
    );
}

#[test]
fn every_problem_is_found_at_once() {
    let bench = Bench::new();
    let text = "
Resources:
  Two: {Type: Test::Thing, Properties: {List: [a, b]}}
  Strange: {Type: AWS::Moon::Rocket}
  Good: {Type: Test::Thing, Properties: {Of: !GetAtt Strange.Arn}}
  Bad: {Type: Test::Thing, Properties: {Of: !GetAtt Good.Nope}}
";
    let deployed = bench.deploy(text);
    insta::assert_snapshot!(shown(&deployed.problems).join("\n"), @r#"
    3:51 deployment::property: Test::Thing: one is enough []
    4:19 deployment::unknown-type: `AWS::Moon::Rocket` is not made here [`Strange` is skipped; references to it get a plausible name, behind which there is nothing]
    6:45 intrinsics::invalid: `Good` (Test::Thing) has no attribute `Nope` [its attributes here are Arn, Nested.Part]
    "#);
}

/// Functions `f` and `g` with these versions, as logical id, function and description.
fn with_versions(versions: &[(&str, &str, &str)]) -> String {
    let mut text = "Resources:\n".to_owned();
    for name in ["f", "g"] {
        let role = "arn:aws:iam::000000000000:role/r";
        text += &format!(
            "  {}: {{Type: AWS::Lambda::Function, Properties: {{FunctionName: {name}, Code: {{ZipFile: x}}, \
             Handler: a.b, Runtime: nodejs20.x, Role: '{role}'}}}}\n",
            name.to_uppercase()
        );
    }
    for (id, function, description) in versions {
        text += &format!(
            "  {id}: {{Type: AWS::Lambda::Version, Properties: {{FunctionName: !Ref {function}, Description: {description}}}}}\n"
        );
    }
    text
}

/// Deploys, and gives the number of each version.
fn numbers(bench: &Bench, versions: &[(&str, &str, &str)]) -> Vec<(String, String)> {
    let deployed = bench.deploy(&with_versions(versions));
    assert_eq!(shown(&deployed.problems), [] as [&str; 0]);
    let versions = deployed
        .resources
        .iter()
        .filter(|it| it.resource_type == "AWS::Lambda::Version");
    versions
        .map(|it| {
            let number = it.attributes["Version"].as_str().unwrap();
            assert!(it.physical_id.ends_with(&format!(":{number}")));
            (it.logical_id.to_string(), number.to_owned())
        })
        .collect()
}

#[test]
fn each_version_of_a_function_has_a_number_that_no_other_ever_had() {
    let bench = Bench::new();
    let both = |first: &str, second: &str| {
        [("A", first), ("B", second)].map(|(id, number)| (id.to_owned(), number.to_owned()))
    };
    let one = |id: &str, number: &str| vec![(id.to_owned(), number.to_owned())];
    let first = [("A", "F", "x"), ("B", "F", "x")];
    assert_eq!(numbers(&bench, &first), both("1", "2"));
    assert_eq!(numbers(&bench, &first), both("1", "2"), "nothing changed");
    let changed = [("A", "F", "y"), ("B", "F", "x")];
    assert_eq!(numbers(&bench, &changed), both("3", "2"), "a replacement");
    assert_eq!(
        numbers(&bench, &[("C", "F", "x")]),
        one("C", "4"),
        "another id"
    );
    assert_eq!(numbers(&bench, &[]), []);
    assert_eq!(
        numbers(&bench, &[("D", "F", "x")]),
        one("D", "5"),
        "none left"
    );
    assert_eq!(
        numbers(&bench, &[("E", "G", "x")]),
        one("E", "1"),
        "another function"
    );
}

#[test]
fn a_version_keeps_its_number_when_its_making_is_interrupted() {
    let text = with_versions(&[("A", "F", "x")]);
    let bench = Bench::new();
    bench.deploy(&text);
    let most = bench.store.commits();
    for at in 1..=most {
        for crash in [Crash::Before(at), Crash::After(at)] {
            let bench = Bench::new();
            bench.store.arm(crash);
            bench.try_deploy(&text).unwrap_err();
            bench.store.arm(Crash::Never);
            let first = numbers(&bench, &[("A", "F", "x")]);
            assert_eq!(numbers(&bench, &[("A", "F", "x")]), first);
            let next = numbers(&bench, &[("A", "F", "x"), ("B", "F", "x")]);
            assert_ne!(next[0].1, next[1].1, "{crash:?}");
        }
    }
}

#[test]
fn what_services_keep_is_looked_up_when_it_is_deployed() {
    let bench = Bench::new();
    let deployed = bench.deploy(
        "
Parameters:
  Kept: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /a}
  Image: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: /aws/service/ami}
Outputs:
  Of: {Value: !Sub '${Kept}-{{resolve:ssm:/a}}-{{resolve:secretsmanager:db:SecretString:user}}'}
  Image: {Value: !Ref Image}
  Open: {Value: '{{resolve:ssm-secure:/sealed}}'}
Resources: {}
",
    );
    assert_eq!(deployed.outputs["Of"], json!("parameter-parameter-u"));
    assert_eq!(deployed.outputs["Open"], json!("sealed"));
    assert_eq!(deployed.outputs["Image"], json!("ami-0123456789abcdef0"));
    let told: Vec<(&str, Severity)> = deployed
        .problems
        .iter()
        .map(|problem| (problem.code, problem.severity))
        .collect();
    assert_eq!(told, [("parameters::missing", Severity::Warning)]);
}

#[test]
fn what_is_missing_is_named_with_the_command_that_makes_it() {
    let bench = Bench::new();
    let deployed = bench.deploy(
        "Resources: {}\nOutputs:\n  A: {Value: '{{resolve:ssm:/b}}'}\n  B: {Value: '{{resolve:ssm:/sealed}}'}\n",
    );
    let [missing, sealed] = deployed.problems.as_slice() else {
        panic!("{:?}", deployed.problems);
    };
    assert_eq!(missing.place.as_ref().unwrap().to_string(), "t.yml:3:14");
    let help = missing.help.as_deref().unwrap();
    assert!(
        help.contains("ssm put-parameter --name /b --type String"),
        "{help}"
    );
    assert!(sealed.cause.as_deref().unwrap().contains("ssm-secure"));
}

#[test]
fn secrets_stand_in_no_problem() {
    let deployed = Bench::new().deploy(
        "Resources:\n  A: {Type: 'Test::Thing', Properties: {Broken: '{{resolve:ssm-secure:/broken}}'}}\n",
    );
    let [problem] = deployed.problems.as_slice() else {
        panic!("{:?}", deployed.problems);
    };
    assert_eq!(problem.cause.as_deref(), Some("it broke: ****"));
}

#[test]
fn what_only_stands_in_for_a_value_is_not_judged() {
    let deployed = Bench::new().deploy(
        "
Resources:
  A: {Type: 'Test::Thing', Properties: {Broken: '{{resolve:ssm:/unknown}}'}}
  B: {Type: 'Test::Thing', Properties: {List: [1, '{{resolve:ssm:/unknown}}']}}
  C: {Type: 'Test::Thing', Properties: {List: ['{{resolve:ssm:/unknown}}', 2]}}
  D: {Type: 'Test::Thing', Properties: {Name: !Ref A}}
",
    );
    let told: Vec<(&str, u32)> = deployed
        .problems
        .iter()
        .map(|problem| (problem.code, problem.place.as_ref().unwrap().line))
        .collect();
    assert_eq!(told, [("deployment::property", 5)]);
}

#[test]
fn functions_are_judged_neither_by_stand_ins_nor_by_repeating_secrets() {
    let deployed = Bench::new().deploy(
        "
Resources:
  F: {Type: 'AWS::Lambda::Function', Properties: {FunctionName: '{{resolve:ssm:/unknown}}', Timeout: 3}}
  G: {Type: 'AWS::Lambda::Function', Properties: {FunctionName: g, Timeout: '{{resolve:ssm-secure:/broken}}'}}
",
    );
    let (account, region) = (AccountId::development(), Region::new("us-east-1"));
    let (_, problems) =
        crate::application::assemble(&deployed, &BTreeMap::new(), &account, &region, 10);
    let said = format!("{:?} {problems:?}", deployed.problems);
    assert!(said.contains("`****` is not a whole number"), "{said}");
    assert!(
        !said.contains("/unknown") && !said.contains("TOP-SECRET"),
        "{said}"
    );
}

/// A seal that turns bytes around.
struct Turned;

impl Seals for Turned {
    fn seal(&self) -> BoxFuture<'_, Result<Arc<dyn Seal>, NoSeal>> {
        Box::pin(std::future::ready(Ok(Arc::new(Self) as Arc<dyn Seal>)))
    }
}

impl Seal for Turned {
    fn close(&self, _name: &str, plain: &[u8]) -> Option<Vec<u8>> {
        Some(plain.iter().rev().copied().collect())
    }

    fn open(&self, name: &str, closed: &[u8]) -> Option<Vec<u8>> {
        let opened = self.close(name, closed);
        opened.filter(|opened| opened.starts_with(b"{"))
    }
}

#[test]
fn what_a_stack_with_secrets_keeps_is_sealed() {
    let with = |value: &str| {
        format!("Resources:\n  A: {{Type: 'Test::Thing', Properties: {{Name: '{value}'}}}}\n")
    };
    let found = |bench: &Bench, text: &str| {
        let rows = bench.store.rows.lock().unwrap();
        let holds = |value: &Bytes| value.windows(text.len()).any(|it| it == text.as_bytes());
        rows.values().any(holds)
    };
    let (open, secret) = (with("plain"), with("{{resolve:ssm-secure:/sealed}}"));
    let mut bench = Bench::new();
    bench.deploy(&secret);
    assert!(found(&bench, "sealed"), "nobody seals");
    bench.deployer = bench.deployer.sealing(Arc::new(Turned));
    // An earlier version left it plain.
    let again = bench.deploy(&secret);
    assert_eq!(again.resources[0].properties["Name"], json!("sealed"));
    assert!(!found(&bench, "sealed"));
    assert!(found(&bench, "delaes"));
    bench.things.take_calls();
    assert_eq!(bench.deploy(&secret).problems, []);
    assert_eq!(bench.things.take_calls(), [""; 0], "nothing changed");
    bench.deploy(&open);
    assert!(!found(&bench, "plain"), "it goes on sealed");

    let bench = Bench::new();
    let deployer = bench.deployer.sealing(Arc::new(Turned));
    let bench = Bench { deployer, ..bench };
    bench.deploy(&open);
    assert!(found(&bench, "plain"), "without secrets nothing is sealed");
}

#[test]
fn a_stack_that_does_not_open_is_not_touched() {
    let text = "Resources:\n  A: {Type: 'Test::Thing', Properties: {Name: '{{resolve:ssm-secure:/sealed}}'}}\n";
    let mut bench = Bench::new();
    bench.deployer = bench.deployer.sealing(Arc::new(Turned));
    bench.deploy(text);
    for value in bench.store.rows.lock().unwrap().values_mut() {
        let mut bytes = value.to_vec();
        bytes.push(b'x');
        *value = bytes.into();
    }
    let failed = bench.try_deploy(text).unwrap_err();
    let cause = std::error::Error::source(&failed).unwrap().to_string();
    assert!(cause.contains("secrets.key"), "{cause}");
}

//! The API of Parameter Store.
//!
//! Lives here: which operation a request names, names of parameters, one file for each kind of thing.
//! Does not live here: what secret values are sealed by (`engine::cipher`).
//!
//! Contract: AWS Systems Manager API Reference, the operations of Parameter Store.

mod checks;
mod describe;
mod get;
mod labels;
mod operations;
mod put;
mod tags;

use model::arn::Arn;

use crate::engine::keys::Place;
use crate::engine::state::{KeptParameter, State, bare};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text};
use crate::service::Context;

pub(crate) use checks::checks;
pub(crate) use operations::{NOT_IMPLEMENTED, SUPPORTED};
pub(crate) use put::{Wish, delete, judge_data_type, put};

const SECURE: &str = "SecureString";
/// What stands before the name of a secret.
pub(crate) const OF_SECRET: &str = "/aws/reference/secretsmanager/";
/// As requests may write a name: also as an ARN, with a version or a label.
const NAME: Text = Text::long(1, 2_048);
const LEVELS_MAX: usize = 15;

pub(crate) async fn run(context: &Context<'_>, operation: &str) -> Answer {
    let fields = Fields::of_body(&context.call.body)?;
    match operation {
        "PutParameter" => put::put_parameter(context, fields).await,
        "GetParameter" => get::get_parameter(context, fields).await,
        "GetParameters" => get::get_parameters(context, fields).await,
        "GetParametersByPath" => get::get_parameters_by_path(context, fields).await,
        "GetParameterHistory" => describe::get_parameter_history(context, fields).await,
        "DescribeParameters" => describe::describe_parameters(context, fields).await,
        "DeleteParameter" => put::delete_parameter(context, fields).await,
        "DeleteParameters" => put::delete_parameters(context, fields).await,
        "LabelParameterVersion" => labels::label_parameter_version(context, fields).await,
        "UnlabelParameterVersion" => labels::unlabel_parameter_version(context, fields).await,
        "AddTagsToResource" => tags::add_tags_to_resource(context, fields).await,
        "RemoveTagsFromResource" => tags::remove_tags_from_resource(context, fields).await,
        "ListTagsForResource" => tags::list_tags_for_resource(context, fields).await,
        name if NOT_IMPLEMENTED.contains(&name) => {
            Err(Fault::not_implemented(&format!("the operation {name}")))
        }
        name => Err(Fault::unknown_operation(name)),
    }
}

/// A parameter by whatever a request calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParameterRef {
    pub(crate) place: Place,
    pub(crate) name: String,
    /// A version or a label.
    pub(crate) selector: Option<String>,
    pub(crate) is_arn: bool,
}

impl ParameterRef {
    pub(crate) fn read(given: &str, place: &Place) -> Self {
        let arn = Arn::parse(given).ok().filter(|arn| arn.service == "ssm");
        let of_arn = arn.as_ref().and_then(|arn| {
            let name = arn.resource.strip_prefix("parameter/")?;
            Some((Place::of_arn(arn), name))
        });
        let (place, text, is_arn) = match of_arn {
            Some((place, name)) => (place, name, true),
            None => (place.clone(), given, false),
        };
        let (name, selector) = match text.split_once(':') {
            Some((name, selector)) => (name, Some(selector.to_owned())),
            None => (text, None),
        };
        Self {
            place,
            name: name.to_owned(),
            selector,
            is_arn,
        }
    }

    pub(crate) fn arn(&self) -> String {
        arn(&self.place, &self.name)
    }

    /// The parameter, if it is there.
    pub(crate) fn find<'s>(&self, state: &'s State) -> Option<&'s KeptParameter> {
        state.parameters.get(bare(&self.name))
    }

    /// Refuses what cannot be a name.
    fn judge(&self) -> Result<(), Fault> {
        let name = match self.is_arn {
            true => format!("/{}", bare(&self.name)),
            false => self.name.clone(),
        };
        judge_form(&name)
    }
}

/// The ARN of a parameter of this name.
pub(crate) fn arn(place: &Place, name: &str) -> String {
    place.arn("ssm", format!("parameter/{}", bare(name)))
}

fn not_found() -> Fault {
    Fault::bare("ParameterNotFound")
}

/// Refuses what cannot be a name: of letters, digits and `.-_` between slashes, and with a slash before all if with any.
fn judge_form(name: &str) -> Result<(), Fault> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(allowed);
    let is_path = name.starts_with('/') || !name.contains('/');
    if is_path && bare(name).split('/').all(is_part) {
        return Ok(());
    }
    Err(Fault::validation(
        "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_",
    ))
}

/// Refuses what cannot be the name of a new parameter.
fn judge_new(name: &str) -> Result<(), Fault> {
    if name.contains('/') && !name.starts_with('/') {
        return Err(Fault::validation(
            "Parameter name must be a fully qualified name.",
        ));
    }
    judge_form(name)?;
    let lower = bare(name).to_ascii_lowercase();
    if lower.starts_with("aws") {
        let message = format!("No access to reserved parameter name: {name}.");
        return Err(Fault::new("AccessDeniedException", message));
    }
    if lower.starts_with("ssm") {
        return judge_form("//");
    }
    if LEVELS_MAX < bare(name).split('/').count() {
        let message = format!(
            "A hierarchy can have a maximum of {LEVELS_MAX} levels. For more information, see Requirements and constraints for parameter names in the AWS Systems Manager User Guide."
        );
        return Err(Fault::new("HierarchyLevelLimitExceededException", message));
    }
    Ok(())
}

/// Takes `MaxResults` and `NextToken`.
fn page_wanted(fields: &mut Fields, most: i64) -> (Option<String>, usize) {
    let limit = fields.whole("MaxResults", 1, most).unwrap_or(most);
    let token = fields.text("NextToken", &Text::long(1, 4_096));
    (token, usize::try_from(limit).unwrap_or(1))
}

//! Platform applications and endpoints: kept and shown. Nothing is ever pushed to a device.
//!
//! Lives here: making, changing, listing and deleting them.
//! Does not live here: refusing to send to them (`publishing`).
//!
//! Contract: Amazon SNS API Reference, `CreatePlatformApplication` and those after it; transcripts of the service's answers.

use std::collections::BTreeMap;

use aws_wire::xml::Xml;

use super::{Answer, Call, answer, page, write_map};
use crate::arns;
use crate::form::{attributes, required};
use crate::refusal::Refusal;
use crate::state::catalogue::Change;
use crate::state::platform::{Application, Endpoint};

const PLATFORMS: [&str; 10] = [
    "ADM",
    "BAIDU",
    "APNS",
    "APNS_SANDBOX",
    "APNS_VOIP",
    "APNS_VOIP_SANDBOX",
    "GCM",
    "MACOS",
    "MPNS",
    "WNS",
];
const NAME_CHARS_MAX: usize = 256;
const USER_DATA_BYTES_MAX: usize = 2_048;
const ENDPOINT_ATTRIBUTES: [&str; 3] = ["Enabled", "Token", "CustomUserData"];
/// They are never shown again.
const SECRETS: [&str; 3] = [
    "PlatformPrincipal",
    "PlatformCredential",
    "ApplePlatformTeamID",
];

pub(super) async fn create_application(call: Call<'_>) -> Result<Answer, Refusal> {
    let name = call.form.text("Name").unwrap_or_default();
    check_name(name)?;
    let platform = call.form.text("Platform").unwrap_or_default();
    if !PLATFORMS.contains(&platform) {
        return Err(Refusal::parameter(format!(
            "Platform Reason: {platform} is not supported"
        )));
    }
    let given: BTreeMap<String, String> = attributes(call.form, "Attributes").into_iter().collect();
    if given.is_empty() {
        return Err(Refusal::validation("attributes"));
    }
    let has = |name: &str| given.contains_key(name);
    let lacking = match (has("PlatformPrincipal"), has("PlatformCredential")) {
        (true, false) => Some("PlatformPrincipal attribute provided without PlatformCredential"),
        (false, true) if platform != "GCM" => {
            Some("PlatformCredential attribute provided without PlatformPrincipal")
        }
        (true, true) | (false, _) => None,
    };
    if let Some(lacking) = lacking {
        return Err(Refusal::parameter(format!("Attributes Reason: {lacking}")));
    }
    let region = call.own().await?;
    let mut attributes = given;
    attributes.retain(|name, _| !SECRETS.contains(&name.as_str()));
    attributes
        .entry("Enabled".to_owned())
        .or_insert_with(|| "true".to_owned());
    let application = Application {
        name: format!("{platform}/{name}"),
        attributes,
    };
    let arn = application_arn(call, &application.name);
    let _turn = region.turn.lock().await;
    let change = Change::PutApplication(application);
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    answer(move |xml| xml.text("PlatformApplicationArn", &arn))
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let why = if name.is_empty() {
        "cannot be empty"
    } else if NAME_CHARS_MAX < name.len() {
        "must be at most 256 characters long"
    } else if !name.bytes().all(allowed) {
        "must contain only characters 'a'-'z', 'A'-'Z', '0'-'9', '_', '-', and '.'"
    } else {
        return Ok(());
    };
    Err(Refusal::parameter(format!("{name} Reason: {why}")))
}

pub(super) async fn application_attributes(call: Call<'_>) -> Result<Answer, Refusal> {
    let application = application(call).await?;
    answer(move |xml| write_attributes(xml, &application.attributes))
}

pub(super) async fn set_application_attributes(call: Call<'_>) -> Result<Answer, Refusal> {
    application_name(call)?;
    let given = attributes(call.form, "Attributes");
    if given.is_empty() {
        return Err(Refusal::validation("attributes"));
    }
    let region = call.own().await?;
    let _turn = region.turn.lock().await;
    let mut application = application(call).await?;
    let shown = |(name, _): &(String, String)| !SECRETS.contains(&name.as_str());
    application
        .attributes
        .extend(given.into_iter().filter(shown));
    let change = Change::PutApplication(application);
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    Ok(None)
}

pub(super) async fn delete_application(call: Call<'_>) -> Result<Answer, Refusal> {
    let name = application_name(call)?;
    let region = call.own().await?;
    let _turn = region.turn.lock().await;
    if region.application(&name).is_some() {
        let change = Change::DeleteApplication(name);
        call.service
            .catalogue
            .change(&region, vec![change], &[])
            .await?;
    }
    Ok(None)
}

pub(super) async fn list_applications(call: Call<'_>) -> Result<Answer, Refusal> {
    let all: Vec<_> = call.own().await?.applications();
    let (page, next) = page(&all, call.form.text("NextToken"), |one| one.name.clone())?;
    let listed: Vec<_> = page
        .iter()
        .map(|one| (application_arn(call, &one.name), one.attributes.clone()))
        .collect();
    answer(move |xml| {
        xml.element("PlatformApplications", |xml| {
            for (arn, attributes) in &listed {
                xml.element("member", |xml| {
                    xml.text("PlatformApplicationArn", arn);
                    write_attributes(xml, attributes);
                });
            }
        });
        xml.optional("NextToken", next.as_deref());
    })
}

pub(super) async fn create_endpoint(call: Call<'_>) -> Result<Answer, Refusal> {
    let application = application(call).await?;
    let token = required(call.form, "Token")?.to_owned();
    let mut wanted = BTreeMap::new();
    if let Some(data) = call.form.text("CustomUserData") {
        wanted.insert("CustomUserData".to_owned(), data.to_owned());
    }
    wanted.extend(attributes(call.form, "Attributes"));
    check_endpoint(&wanted)?;
    wanted.insert("Token".to_owned(), token.clone());
    wanted
        .entry("Enabled".to_owned())
        .or_insert_with(|| "true".to_owned());
    let region = call.own().await?;
    let _turn = region.turn.lock().await;
    let has_token = |one: &&std::sync::Arc<Endpoint>| one.attributes.get("Token") == Some(&token);
    let known = region.endpoints(&application.name);
    if let Some(known) = known.iter().find(has_token) {
        let arn = endpoint_arn(call, known);
        if known.attributes == wanted {
            return answer(move |xml| xml.text("EndpointArn", &arn));
        }
        return Err(Refusal::parameter(format!(
            "Token Reason: Endpoint {arn} already exists with the same Token, but different attributes."
        )));
    }
    let endpoint = Endpoint {
        application: application.name,
        id: call.service.random.request_id().to_string(),
        attributes: wanted,
    };
    let arn = endpoint_arn(call, &endpoint);
    let change = Change::PutEndpoint(endpoint);
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    answer(move |xml| xml.text("EndpointArn", &arn))
}

fn check_endpoint(attributes: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (name, value) in attributes {
        if !ENDPOINT_ATTRIBUTES.contains(&name.as_str()) {
            return Err(Refusal::parameter(format!(
                "Attributes Reason: Invalid attribute name: {name}"
            )));
        }
        if name == "CustomUserData" && USER_DATA_BYTES_MAX < value.len() {
            return Err(Refusal::parameter(
                "Attributes Reason: Invalid value for attribute: CustomUserData: must be at most 2048 bytes long in UTF-8 \
                 encoding",
            ));
        }
        if name == "Enabled" && value != "true" && value != "false" {
            return Err(Refusal::parameter(
                "Attributes Reason: Invalid value for attribute: Enabled: must be true or false",
            ));
        }
    }
    Ok(())
}

pub(super) async fn endpoint_attributes(call: Call<'_>) -> Result<Answer, Refusal> {
    let endpoint = endpoint(call).await?;
    answer(move |xml| write_attributes(xml, &endpoint.attributes))
}

pub(super) async fn set_endpoint_attributes(call: Call<'_>) -> Result<Answer, Refusal> {
    endpoint_name(call)?;
    let given: BTreeMap<String, String> = attributes(call.form, "Attributes").into_iter().collect();
    if given.is_empty() {
        return Err(Refusal::validation("attributes"));
    }
    let region = call.own().await?;
    let _turn = region.turn.lock().await;
    let mut endpoint = endpoint(call).await?;
    check_endpoint(&given)?;
    endpoint.attributes.extend(given);
    let change = Change::PutEndpoint(endpoint);
    call.service
        .catalogue
        .change(&region, vec![change], &[])
        .await?;
    Ok(None)
}

pub(super) async fn delete_endpoint(call: Call<'_>) -> Result<Answer, Refusal> {
    let (application, id) = endpoint_name(call)?;
    let region = call.own().await?;
    let _turn = region.turn.lock().await;
    if region.endpoint(&application, &id).is_some() {
        let change = Change::DeleteEndpoint { application, id };
        call.service
            .catalogue
            .change(&region, vec![change], &[])
            .await?;
    }
    Ok(None)
}

pub(super) async fn list_endpoints(call: Call<'_>) -> Result<Answer, Refusal> {
    let application = application(call).await?;
    let all = call.own().await?.endpoints(&application.name);
    let (page, next) = page(&all, call.form.text("NextToken"), |one| one.id.clone())?;
    let listed: Vec<_> = page
        .iter()
        .map(|one| (endpoint_arn(call, one), one.attributes.clone()))
        .collect();
    answer(move |xml| {
        xml.element("Endpoints", |xml| {
            for (arn, attributes) in &listed {
                xml.element("member", |xml| {
                    xml.text("EndpointArn", arn);
                    write_attributes(xml, attributes);
                });
            }
        });
        xml.optional("NextToken", next.as_deref());
    })
}

fn write_attributes(xml: &mut Xml, attributes: &BTreeMap<String, String>) {
    let pairs = attributes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    write_map(xml, "Attributes", pairs);
}

async fn application(call: Call<'_>) -> Result<Application, Refusal> {
    let name = application_name(call)?;
    let found = call.own().await?.application(&name);
    let found = found.ok_or_else(|| Refusal::not_found("PlatformApplication"))?;
    Ok((*found).clone())
}

async fn endpoint(call: Call<'_>) -> Result<Endpoint, Refusal> {
    let (application, id) = endpoint_name(call)?;
    let found = call.own().await?.endpoint(&application, &id);
    let found = found.ok_or_else(|| Refusal::not_found("Endpoint"))?;
    Ok((*found).clone())
}

/// `PLATFORM/NAME`.
fn application_name(call: Call<'_>) -> Result<String, Refusal> {
    let parameter = "PlatformApplicationArn";
    let arn = arns::parts(parameter, required(call.form, parameter)?)?;
    let name = arn.resource.strip_prefix("app/");
    name.map(str::to_owned).ok_or_else(|| slashes(parameter))
}

/// The application, and the endpoint's own id.
fn endpoint_name(call: Call<'_>) -> Result<(String, String), Refusal> {
    let text = required(call.form, "EndpointArn")?;
    let resource = text.rsplit(':').next().unwrap_or_default();
    read_endpoint(resource).ok_or_else(|| slashes("EndpointArn"))
}

/// The application and the id in `endpoint/PLATFORM/NAME/ID`.
pub(crate) fn read_endpoint(resource: &str) -> Option<(String, String)> {
    let (application, id) = resource.strip_prefix("endpoint/")?.rsplit_once('/')?;
    Some((application.to_owned(), id.to_owned()))
}

fn slashes(parameter: &str) -> Refusal {
    Refusal::parameter(format!(
        "{parameter} Reason: Wrong number of slashes in relative portion of the ARN."
    ))
}

fn application_arn(call: Call<'_>, name: &str) -> String {
    let call = call.call;
    format!("arn:aws:sns:{}:{}:app/{name}", call.region, call.account)
}

fn endpoint_arn(call: Call<'_>, endpoint: &Endpoint) -> String {
    let Endpoint {
        application, id, ..
    } = endpoint;
    let call = call.call;
    format!(
        "arn:aws:sns:{}:{}:endpoint/{application}/{id}",
        call.region, call.account
    )
}

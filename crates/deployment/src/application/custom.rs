//! Integrations of REST APIs that are no proxies: `AWS`, `HTTP`, and `MOCK` with mapping templates.
//!
//! Lives here: what each calls, and its responses.
//! Does not live here: reading the integration (`integration`), fixed replies of `MOCK` (`mock`), templates (`gateway`).
//!
//! Contract: Amazon API Gateway API Reference, `Integration`; AWS CloudFormation Template Reference,
//! "AWS::ApiGateway::Method Integration".

use std::collections::BTreeMap;

use model::arn::Arn;
use model::ids::Region;
use model::limits::REST_INTEGRATION_TIMEOUT;
use model::rest_api::{Backend, CalledApi, ContentHandling, CustomIntegration, CustomResponse};

use super::integration::{Integration, IntegrationResponse, Refusal, with_stage_variables};
use super::versions::Callable;

/// The services that integrations may call, by their names in such a URI; a path is called of the last three alone.
const SERVICES: [&str; 10] = [
    "dynamodb",
    "events",
    "kinesis",
    "kms",
    "logs",
    "secretsmanager",
    "ssm",
    "s3",
    "sns",
    "sqs",
];
/// Those that paths are called of.
const WITH_PATHS: [&str; 3] = ["s3", "sns", "sqs"];

/// What an integration that is no proxy does.
///
/// # Errors
/// [`Refusal`]: it calls what is not here, or says what cannot be read.
pub(super) fn of(
    integration: &Integration,
    callable: &Callable,
    stage_variables: &BTreeMap<String, String>,
) -> Result<CustomIntegration, Refusal> {
    let backend = match integration.kind.as_str() {
        "MOCK" => Backend::Mock,
        "HTTP" => server(integration, stage_variables)?,
        _ => called(integration, callable, stage_variables)?,
    };
    if integration.responses.is_empty() {
        return Err(Refusal::new(
            "its integration has no response, so that none of its requests could be answered",
        )
        .help("give it one for all answers: `IntegrationResponses: [{StatusCode: 200}]`"));
    }
    let responses = integration.responses.iter().map(response);
    Ok(CustomIntegration {
        backend,
        timeout: integration.timeout.unwrap_or(REST_INTEGRATION_TIMEOUT),
        request_parameters: integration.request_parameters.clone(),
        request_templates: integration.request_templates.clone(),
        content_handling: content_handling(integration.content_handling.as_deref())?,
        responses: responses.collect::<Result<_, _>>()?,
    })
}

fn server(
    integration: &Integration,
    stage_variables: &BTreeMap<String, String>,
) -> Result<Backend, Refusal> {
    match integration.connection.as_deref() {
        None | Some("INTERNET") => Ok(Backend::Server {
            uri: with_stage_variables(&integration.uri, stage_variables),
            http_method: integration.http_method.clone(),
        }),
        Some(kind) => Err(Refusal::new(format!(
            "its integration is private (`{kind}`), which is not built yet"
        ))
        .help("ask over the network that this machine is in: leave the connection out")),
    }
}

fn called(
    integration: &Integration,
    callable: &Callable,
    stage_variables: &BTreeMap<String, String>,
) -> Result<Backend, Refusal> {
    let uri = with_stage_variables(&integration.uri, stage_variables);
    let bad = || {
        Refusal::new(format!("`{uri}` names nothing that can be called"))
            .help("write `arn:aws:apigateway:REGION:SERVICE:action/NAME` or `…:SERVICE:path/PATH`")
    };
    let arn = Arn::parse(&uri).map_err(|_| bad())?;
    if arn.service == "lambda" || (arn.service == "apigateway" && arn.account == "lambda") {
        return integration
            .callee(callable, stage_variables)
            .map(Backend::Function);
    }
    if arn.service != "apigateway" {
        return Err(bad());
    }
    // The account's place holds the service, with a subdomain before it or not.
    let (subdomain, service) = match arn.account.rsplit_once('.') {
        Some((subdomain, service)) => (Some(subdomain), service),
        None => (None, arn.account.as_str()),
    };
    if !SERVICES.contains(&service) {
        return Err(Refusal::new(format!(
            "its integration calls the service `{service}`, which REST APIs do not call here"
        ))
        .help(format!(
            "those that are called: lambda, {}",
            SERVICES.join(", ")
        )));
    }
    let (form, rest) = arn.resource.split_once('/').ok_or_else(bad)?;
    let (action, path) = match form {
        "action" => (Some(rest.to_owned()), "/".to_owned()),
        "path" if WITH_PATHS.contains(&service) => {
            let path = rest.trim_start_matches('/');
            let path =
                subdomain.map_or_else(|| path.to_owned(), |bucket| format!("{bucket}/{path}"));
            (None, format!("/{path}"))
        }
        "path" => {
            return Err(Refusal::new(format!(
                "its integration calls a path of the service `{service}`, which is not built"
            ))
            .help("call an operation: `…:SERVICE:action/NAME`"));
        }
        _ => return Err(bad()),
    };
    if service == "s3" && action.is_some() {
        return Err(
            Refusal::new("its integration calls an operation of `s3` by its name")
                .help("call a path: `…:s3:path/{bucket}/{key}`, with the method of the operation"),
        );
    }
    Ok(Backend::Service(Box::new(CalledApi {
        service: service.to_owned(),
        region: Region::new(arn.region.as_str()),
        action,
        path,
        http_method: integration.http_method.clone(),
        role: role(integration)?,
    })))
}

fn role(integration: &Integration) -> Result<Arn, Refusal> {
    let named = integration.credentials.as_deref().unwrap_or_default();
    let help = "give it `Credentials`: the ARN of a role that may do this, and that `apigateway.amazonaws.com` may assume";
    if named.contains(":user/*") {
        return Err(
            Refusal::new("its integration acts as whoever calls (`Credentials` with `user/*`), which is not built")
                .help(help),
        );
    }
    let arn = Arn::parse(named).ok();
    let role = arn.filter(|arn| arn.service == "iam" && arn.resource.starts_with("role/"));
    role.ok_or_else(|| {
        Refusal::new("its integration calls a service, and names no role to act as").help(help)
    })
}

fn response(written: &IntegrationResponse) -> Result<CustomResponse, Refusal> {
    let status = written.status.parse().ok();
    let status = status.filter(|status| (200..600).contains(status));
    let selection = match written.selection.as_deref() {
        None | Some("" | "default") => None,
        Some(pattern) => Some(pattern.to_owned()),
    };
    Ok(CustomResponse {
        status: status
            .ok_or_else(|| Refusal::new(format!("`{}` is not a status code", written.status)))?,
        selection,
        parameters: written.parameters.clone(),
        templates: written.templates.clone(),
        content_handling: content_handling(written.content_handling.as_deref())?,
    })
}

fn content_handling(written: Option<&str>) -> Result<Option<ContentHandling>, Refusal> {
    match written {
        None | Some("") => Ok(None),
        Some("CONVERT_TO_TEXT") => Ok(Some(ContentHandling::ToText)),
        Some("CONVERT_TO_BINARY") => Ok(Some(ContentHandling::ToBinary)),
        Some(other) => Err(
            Refusal::new(format!("`{other}` is no way to handle content"))
                .help("`CONVERT_TO_TEXT` or `CONVERT_TO_BINARY`; or leave it out"),
        ),
    }
}

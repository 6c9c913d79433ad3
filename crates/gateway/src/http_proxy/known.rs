//! Members of `$context` that parameter mappings of both kinds of API name.
//!
//! Lives here: their names and values.
//! Does not live here: reading mappings (`mapping`), all else that a REST API's templates see (`context`).

use super::Style;
use crate::events::Exchange;

/// A member of `$context`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    AccountId,
    ApiId,
    DomainName,
    ExtendedRequestId,
    HttpMethod,
    Path,
    Protocol,
    RequestId,
    RequestTimeEpoch,
    ResourcePath,
    SourceIp,
    Stage,
    UserAgent,
}

impl Context {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "accountId" => Self::AccountId,
            "apiId" => Self::ApiId,
            "domainName" => Self::DomainName,
            "extendedRequestId" => Self::ExtendedRequestId,
            "httpMethod" => Self::HttpMethod,
            "path" => Self::Path,
            "protocol" => Self::Protocol,
            "requestId" => Self::RequestId,
            "requestTimeEpoch" => Self::RequestTimeEpoch,
            "resourcePath" | "routeKey" => Self::ResourcePath,
            "identity.sourceIp" => Self::SourceIp,
            "stage" => Self::Stage,
            "identity.userAgent" => Self::UserAgent,
            _ => return None,
        })
    }

    pub(super) fn value(self, style: Style, exchange: &Exchange<'_>) -> String {
        match self {
            Self::AccountId => exchange.account.as_str().to_owned(),
            Self::ApiId => exchange.api.id.as_str().to_owned(),
            Self::DomainName => exchange.headers.text("host").unwrap_or_default().to_owned(),
            Self::ExtendedRequestId => exchange.extended_request_id.to_owned(),
            Self::HttpMethod => exchange.method.to_owned(),
            Self::Path => exchange.full_path.to_owned(),
            Self::Protocol => match exchange.version {
                http::Version::HTTP_10 => "HTTP/1.0",
                http::Version::HTTP_2 => "HTTP/2.0",
                _ => "HTTP/1.1",
            }
            .to_owned(),
            Self::RequestId => match style {
                Style::Rest => exchange.request_id,
                Style::Http => exchange.extended_request_id,
            }
            .to_owned(),
            Self::RequestTimeEpoch => exchange.at.epoch_ms().to_string(),
            Self::ResourcePath => match style {
                Style::Rest => &exchange.route.resource,
                Style::Http => &exchange.route.key,
            }
            .clone(),
            Self::SourceIp => exchange.source_ip.to_string(),
            Self::Stage => exchange.api.stage.as_str().to_owned(),
            Self::UserAgent => {
                let sent = exchange.headers.text("user-agent");
                sent.unwrap_or_default().to_owned()
            }
        }
    }
}

//! Application Load Balancers, as deployed: listeners, their rules, and the functions behind them.
//!
//! Lives here: what a listener does with a request.
//! Does not live here: matching, events and replies (`gateway`), targets that are not functions.

use crate::door::Callee;
use crate::problem::Place;

/// A listener. It keeps an address of its own, as the port in the cloud does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its ARN.
    pub arn: String,
    /// Its load balancer's ARN, if that is of the project.
    pub load_balancer: Option<String>,
    /// The load balancer's name, for people.
    pub name: String,
    /// What it speaks in the cloud.
    pub protocol: Protocol,
    /// Its port in the cloud.
    pub port: u16,
    /// Its rules, in the order in which they are tried.
    pub rules: Vec<Rule>,
    /// What it does with what no rule takes.
    pub default: DefaultAction,
    /// What becomes of `X-Forwarded-For`.
    pub forwarded_for: ForwardedFor,
    /// Where the manifest declares it; none: it is not declared, but rules name it.
    pub place: Option<Place>,
}

/// What a listener speaks in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// `HTTP`
    Http,
    /// `HTTPS`
    Https,
}

/// `routing.http.xff_header_processing.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedFor {
    /// The sender's address is added.
    #[default]
    Append,
    /// It stays as it came.
    Preserve,
    /// It is removed.
    Remove,
}

/// What a listener does with what no rule takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultAction {
    /// This.
    Declared(Action),
    /// Nobody here knows: the listener is not of the project.
    Unknown,
}

/// A rule of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its priority: the lowest is tried first.
    pub priority: u32,
    /// What a request must fulfil, all of it.
    pub conditions: Vec<Condition>,
    /// What becomes of it then.
    pub action: Action,
    /// Where the manifest declares it.
    pub place: Option<Place>,
}

/// What a request must be like; one of the values is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// `host-header`: patterns, whatever the case.
    Host(Vec<String>),
    /// `path-pattern`: patterns.
    Path(Vec<String>),
    /// `http-request-method`: names.
    Method(Vec<String>),
    /// `http-header`: patterns, whatever the case.
    Header {
        /// The header.
        name: String,
        /// The patterns.
        values: Vec<String>,
    },
    /// `query-string`: patterns, whatever the case.
    Query(Vec<QueryPair>),
    /// `source-ip`: addresses and ranges.
    SourceIp(Vec<String>),
}

/// A pair in a query string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryPair {
    /// A pattern for the name; none: any.
    pub key: Option<String>,
    /// A pattern for the value.
    pub value: String,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// `forward`: one of these takes it.
    Forward(Vec<Weighted>),
    /// `redirect`
    Redirect(Redirect),
    /// `fixed-response`
    FixedResponse(FixedResponse),
    /// Nothing, although it is declared: its requests fail. The rule keeps its place, because another would otherwise take
    /// them.
    NotServed {
        /// Why, for the developer.
        reason: String,
    },
}

/// A target group, and how many of the requests it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighted {
    /// The target group.
    pub group: TargetGroup,
    /// Its share, from 0 to 999.
    pub weight: u32,
}

/// A target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGroup {
    /// Its ARN.
    pub arn: String,
    /// What takes its requests.
    pub target: Target,
    /// `lambda.multi_value_headers.enabled`
    pub values: Values,
}

/// What takes the requests of a target group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This function.
    Function(Callee),
    /// No target is registered.
    Nobody,
    /// One that is not here.
    NotServed {
        /// Why, for the developer.
        reason: String,
    },
}

/// How headers and query parameters are shown that come several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Values {
    /// The last one.
    #[default]
    Last,
    /// All, as lists.
    All,
}

/// `RedirectConfig`; what is left as it is, is a reserved keyword as `#{host}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: String,
    /// With the slash that it begins with.
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// 301 or 302.
    pub status: u16,
}

/// `FixedResponseConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedResponse {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}

//! Which route of which API answers a request.
//!
//! Lives here: path templates, the compiled table of one revision, the listing for people.
//! Does not live here: what is done with a match (`application`), event shapes (`events`).

mod api;
mod balanced;
mod conditions;
mod domains;
mod function_url;
mod listing;
mod problems;
mod sockets;
mod table;
mod target;
mod template;
mod tree;

#[cfg(test)]
mod tests;

#[expect(
    clippy::module_name_repetitions,
    reason = "`table` alone would be the compiled one"
)]
pub use listing::routes_table;
pub use listing::{AnsweredBy, ApiKind, RouteRow};

pub(crate) use api::{Answer, Api, Kind, Payload, Route, Transfer};
pub use function_url::URL_PATH;
pub(crate) use function_url::host_name as url_host_name;
pub(crate) use sockets::{Entrance, Meant};
pub(crate) use table::{Asked, Hit, Located, Missing, Table};
pub(crate) use target::{EncodingError, base_path, behind_base, check_encoding, decode};

/// The routes that would not be served, or that hide one another, when `application` were.
pub fn check(application: &model::application::Application) -> Vec<model::problem::Problem> {
    Table::compile(application).1
}

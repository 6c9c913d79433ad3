//! Listeners, routes, the steps of a request, event shapes, and the service door.
//!
//! Lives here: `http` (framing, listeners, the drain); `application`, which takes a request through `routes`, `cors`,
//! `authorise`, `throttle`, `validate`, `cache`, `events` and `replies`, and writes what an API says itself (`context`,
//! `gateway_responses`); `load_balancer`, which does the same by rules; `service_door`, where SDKs find the cloud's services.
//! Does not live here: running functions (`invoker`), the AWS protocols (`aws-wire`), what a service does. It keeps
//! nothing from one request to the next.

pub mod application;
mod authorise;
mod cache;
mod caller;
mod callers;
mod compression;
mod context;
mod cors;
pub mod events;
mod gateway_responses;
pub mod http;
mod http_proxy;
pub mod load_balancer;
pub mod openapi;
pub mod outbound;
mod replies;
pub mod routes;
mod sender;
pub mod service_door;
pub mod throttle;
pub mod tokens;

pub use policy::AddressRange;
pub use sender::TrustedProxies;
mod validate;

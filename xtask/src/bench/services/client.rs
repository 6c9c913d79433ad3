//! A client of services that speak JSON.
//!
//! Lives here: one operation after the other on a connection that is kept.
//! Does not live here: requests as bytes, connections (`crate::http`).

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::http::{self, Connection};

/// A connection that is opened again when the server closes it, as some do after each reply.
pub(super) struct Client {
    port: u16,
    /// As it stands in signatures.
    service: &'static str,
    /// What stands before an operation's name.
    target: &'static str,
    connection: Connection,
}

impl Client {
    pub(super) fn of_queues(port: u16) -> Result<Self> {
        Self::open(port, "sqs", "AmazonSQS.")
    }

    pub(super) fn of_buses(port: u16) -> Result<Self> {
        Self::open(port, "events", "AWSEvents.")
    }

    fn open(port: u16, service: &'static str, target: &'static str) -> Result<Self> {
        Ok(Self {
            port,
            service,
            target,
            connection: Connection::open(port)?,
        })
    }

    pub(super) fn call(&mut self, operation: &str, body: &str) -> Result<Value> {
        let target = format!("{}{operation}", self.target);
        let request = http::json_request(self.service, &target, body);
        let reply = match self.connection.exchange(&request) {
            Ok((reply, _)) => reply,
            Err(_) => {
                self.connection = Connection::open(self.port)?;
                self.connection.exchange(&request)?.0
            }
        };
        ensure!(reply.is_success(), "{operation}: {}", reply.body);
        if reply.closes {
            self.connection = Connection::open(self.port)?;
        }
        if reply.body.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_str(&reply.body)?)
    }
}

/// Makes a queue, and says its address.
pub(super) fn create_queue(client: &mut Client, name: &str) -> Result<String> {
    let created = client.call("CreateQueue", &format!(r#"{{"QueueName":"{name}"}}"#))?;
    let url = created.get("QueueUrl").and_then(Value::as_str);
    Ok(url.context("a queue without an address")?.to_owned())
}

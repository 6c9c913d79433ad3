//! Calls of DynamoDB and its streams, as JSON.
//!
//! Lives here: one kept connection, and what an answer is.
//! Does not live here: which calls are made (`load`, `check`).

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::http::{self, Connection};

/// The two APIs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Api {
    Tables,
    Streams,
}

/// What came of a call.
pub(super) enum Answer {
    /// It was carried out.
    Done(Value),
    /// It was refused, and has done nothing.
    Refused(String),
}

pub(super) struct Calls {
    connection: Connection,
}

impl Calls {
    pub(super) fn open(port: u16) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(port)?,
        })
    }

    /// Calls an operation. An error says that the connection is gone, and nothing of what was done.
    pub(super) fn call(&mut self, api: Api, operation: &str, body: &Value) -> Result<Answer> {
        let target = match api {
            Api::Tables => format!("DynamoDB_20120810.{operation}"),
            Api::Streams => format!("DynamoDBStreams_20120810.{operation}"),
        };
        let request = http::table_request(&target, &body.to_string());
        let (reply, _) = self.connection.exchange(&request)?;
        ensure!(reply.status < 500, "{operation}: {}", reply.body);
        if !reply.is_success() {
            return Ok(Answer::Refused(reply.body));
        }
        let answer = serde_json::from_str(&reply.body).context("an answer is no JSON")?;
        Ok(Answer::Done(answer))
    }

    /// Calls an operation that nothing may refuse.
    pub(super) fn done(&mut self, api: Api, operation: &str, body: &Value) -> Result<Value> {
        match self.call(api, operation, body)? {
            Answer::Done(answer) => Ok(answer),
            Answer::Refused(why) => anyhow::bail!("{operation} {body}: {why}"),
        }
    }
}

//! Roles that services make for themselves.
//!
//! Lives here: which services have one (`service_linked.json`, as the cloud answers), making and deleting it.
//! Does not live here: other roles (`roles`).
//!
//! Contract: IAM API Reference, `CreateServiceLinkedRole`; recorded answers.

use std::sync::{Arc, LazyLock};

use http::StatusCode;
use model::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::Request;
use super::entities::{self, Shown, find_role};
use crate::state::{Grants, Role, Tags};
use crate::wire::{Answer, Fault, Node, required};

const SESSION_S: u32 = 3_600;

/// The role of one service.
#[derive(Deserialize)]
struct Linked {
    service: &'static str,
    role: &'static str,
    /// What is attached to it, without the first part of their ARNs.
    policies: Vec<&'static str>,
    /// Whether there can be several, told apart by the end of their names.
    suffix: bool,
    #[serde(default)]
    description: Option<String>,
}

static LINKED: LazyLock<Vec<Linked>> =
    LazyLock::new(|| serde_json::from_str(include_str!("service_linked.json")).unwrap_or_default());

/// The role of a service, before it is made.
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) path: String,
    trust: String,
    description: Option<String>,
    attached: Vec<String>,
}

/// The role of this service; or why it has none.
pub(crate) fn linked_role(
    service: &str,
    suffix: Option<&str>,
    description: Option<&str>,
) -> Result<Draft, Fault> {
    let linked = LINKED.iter().find(|linked| linked.service == service);
    let linked = linked.ok_or_else(|| {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "InvalidInput",
            format!("The service {service} is not known here to have a role of its own."),
        )
    })?;
    let end = match suffix {
        Some(_) if !linked.suffix => {
            return Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "InvalidInput",
                format!("Custom suffix is not allowed for {service}"),
            ));
        }
        Some(suffix) => format!("_{suffix}"),
        None => String::new(),
    };
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        }],
    });
    let description = description.map(str::to_owned);
    Ok(Draft {
        name: format!("{}{end}", linked.role),
        path: format!("/aws-service-role/{service}/"),
        trust: trust.to_string(),
        description: description.or_else(|| linked.description.clone()),
        attached: linked
            .policies
            .iter()
            .map(|policy| format!("arn:aws:iam::aws:policy/{policy}"))
            .collect(),
    })
}

impl Draft {
    /// The role itself.
    pub(crate) fn role(
        self,
        id: String,
        arn: String,
        now: Timestamp,
        owner: Option<String>,
    ) -> Role {
        Role {
            name: self.name,
            path: self.path,
            id,
            arn,
            created_at: now,
            trust: self.trust.into(),
            description: self.description,
            session_s_max: SESSION_S,
            tags: Tags::new(),
            grants: Grants {
                attached: self.attached,
                ..Grants::default()
            },
            owner,
        }
    }
}

pub(super) async fn create(request: Request<'_>) -> Result<Answer, Fault> {
    let form = request.form;
    let service = required(form, "AWSServiceName")?;
    let draft = linked_role(service, form.text("CustomSuffix"), form.text("Description"))?;
    let id = request.unique_id("AROA");
    let arn = request.arn("role", &draft.path, &draft.name);
    let role = draft.role(id, arn, request.now, None);
    let made = entities::role(&role, Shown::Made);
    request
        .change_to(|account| {
            if account.roles.contains_key(&role.name) {
                return Err(Fault::new(
                    StatusCode::BAD_REQUEST,
                    "InvalidInput",
                    format!(
                        "Service role name {} has been taken in this account, please try a different suffix.",
                        role.name
                    ),
                ));
            }
            account.roles.insert(role.name.clone(), Arc::new(role));
            Ok(Some(Node::Structure(vec![("Role", made)])))
        })
        .await
}

/// The role is gone when it is answered: its service uses nothing here.
pub(super) async fn delete(request: Request<'_>) -> Result<Answer, Fault> {
    let name = required(request.form, "RoleName")?;
    let id = request.service.random.request_id();
    request
        .change_to(|account| {
            let role = find_role(account, name)?;
            let service = role.path.strip_prefix("/aws-service-role/");
            let service = service.map(|rest| rest.trim_end_matches('/'));
            let service = service.ok_or_else(|| {
                Fault::new(
                    StatusCode::BAD_REQUEST,
                    "InvalidInput",
                    format!("The role {name} is no service-linked role."),
                )
            })?;
            let task = format!("task/aws-service-role/{service}/{name}/{id}");
            account.roles.remove(name);
            Ok(Some(Node::Structure(vec![(
                "DeletionTaskId",
                Node::Text(task),
            )])))
        })
        .await
}

pub(super) async fn status(request: Request<'_>) -> Result<Answer, Fault> {
    let task = required(request.form, "DeletionTaskId")?;
    if !task.starts_with("task/aws-service-role/") {
        return Err(Fault::missing(format!(
            "Deletion Task {task} was not found."
        )));
    }
    Ok(Some(Node::Structure(vec![(
        "Status",
        Node::text("SUCCEEDED"),
    )])))
}

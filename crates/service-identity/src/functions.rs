//! Functions whose roles they cannot have.
//!
//! Lives here: what is said of them when an application is read or served.
//! Does not live here: refusing what they do (`judge`).

use std::collections::BTreeMap;

use model::application::Application;
use model::function::Function;
use model::problem::Problem;

use crate::judge::of_role;
use crate::service::Service;

impl Service {
    /// Functions whose roles are not here, are of another account, or do not let Lambda in: they may nothing. One problem a
    /// role.
    pub fn unfit_roles(&self, application: &Application) -> Vec<Problem> {
        let mut roles: BTreeMap<String, (&Function, Vec<&str>)> = BTreeMap::new();
        for function in application.functions.values() {
            let (_, names) = roles
                .entry(function.role.to_string())
                .or_insert((function, Vec::new()));
            names.push(function.name.as_str());
        }
        let problems = roles.iter();
        problems
            .filter_map(|(arn, (function, names))| {
                self.problem_of(arn, function, &names.join(", "))
            })
            .collect()
    }

    fn problem_of(&self, arn: &str, function: &Function, names: &str) -> Option<Problem> {
        let refused = format!("every call of a service by {names} is refused");
        if function.role.account != function.account.as_str() {
            let title = format!("the role `{arn}` is of another account");
            let cause = format!(
                "functions of account {} cannot have it: {refused}",
                function.account
            );
            return Some(
                Problem::warning("identity::unknown-role", title)
                    .because(cause)
                    .help("declare the role in the project, or write `${AWS::AccountId}` for the account and make it: `aws iam create-role` at the services' port"),
            );
        }
        let snapshot = self.state.snapshot(&function.account);
        match of_role(&snapshot, arn) {
            None => Some(
                Problem::warning("identity::unknown-role", format!("the role `{arn}` is not here"))
                    .because(refused)
                    .help("declare the role in the project, or make it: `aws iam create-role` at the services' port"),
            ),
            Some(role) if !role.lets_lambda_in() => Some(
                Problem::error(
                    "identity::distrusting-role",
                    format!("the role `{arn}` cannot be assumed by Lambda"),
                )
                .because(format!("its `AssumeRolePolicyDocument` does not let `lambda.amazonaws.com` in: {refused}"))
                .help("add `lambda.amazonaws.com` to `Principal: { Service: … }` of a statement that allows `sts:AssumeRole`"),
            ),
            Some(_) => None,
        }
    }
}

//! Prints what the SAM transform makes of a template, as JSON: for comparing it with the public cases.
//!
//! Lives here: reading one file and printing the result.
//! Does not live here: the transform.
#![expect(
    clippy::print_stdout,
    reason = "the result is what this program is for"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a program of its own: it may read its environment"
)]

use std::collections::BTreeMap;
use std::process::ExitCode;

use manifest::reading::{Answers, Need, ReadRequest, Step};
use model::ids::AccountId;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: sam_transform TEMPLATE");
        return ExitCode::FAILURE;
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    // The public cases leave out what asks for the transform, which is all that they are about.
    let asks = text.lines().any(|line| line.starts_with("Transform"));
    let text = if asks {
        text
    } else {
        format!("{text}\nTransform: AWS::Serverless-2016-10-31\n")
    };
    let region = std::env::var("AWS_REGION").ok();
    let request = ReadRequest {
        manifest: "template.yaml".to_owned(),
        text,
        folder_name: "app".to_owned(),
        stage: None,
        region,
        params: BTreeMap::new(),
        account: AccountId::development(),
        now_ms: 0,
    };
    let mut answers = Answers::default();
    loop {
        match manifest::sam::read(&request, &answers) {
            Step::Needs(needs) => {
                for need in needs {
                    let answer = match &need {
                        Need::File(file) => std::fs::read_to_string(file).ok(),
                        Need::Environment(_)
                        | Need::Module(_)
                        | Need::Parameter { .. }
                        | Need::Output { .. }
                        | Need::Object { .. } => None,
                    };
                    answers.insert(need, answer);
                }
            }
            Step::Done(reading) => {
                for problem in &reading.problems {
                    eprintln!("{}: {}", problem.code, problem.title);
                }
                // What is right and merely not built yet is no reason for the transform to fail.
                let refused = reading
                    .problems
                    .iter()
                    .any(|problem| !problem.code.ends_with("-not-implemented"));
                let Some(template) = reading.template.filter(|_| !refused) else {
                    return ExitCode::FAILURE;
                };
                println!("{}", template.to_json());
                return ExitCode::SUCCESS;
            }
        }
    }
}

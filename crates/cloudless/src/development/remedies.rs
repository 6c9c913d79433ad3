//! Commands in remedies that ask the services of a server.
//!
//! Lives here: naming the port that the services have, or will have.
//! Does not live here: the remedies, whose authors know no server (`manifest`, `cloudformation`).

use model::problem::Problem;

/// Where remedies look for the services.
const USUAL_SERVICES: &str = "http://127.0.0.1:4566 ";

/// Makes remedies name this port; 0 is one that the system will choose.
pub(crate) fn for_port(problems: &mut [Problem], port: u16) {
    let here = match port {
        0 => "http://127.0.0.1:PORT ".to_owned(),
        port => format!("http://127.0.0.1:{port} "),
    };
    for help in problems.iter_mut().filter_map(|it| it.help.as_mut()) {
        *help = help.replace(USUAL_SERVICES, &here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remedies_name_the_port_of_the_services() {
        for (port, said) in [
            (4566, "aws --endpoint-url http://127.0.0.1:4566 ssm"),
            (5000, "aws --endpoint-url http://127.0.0.1:5000 ssm"),
            (0, "aws --endpoint-url http://127.0.0.1:PORT ssm"),
        ] {
            let problem = Problem::error("a::b", "none");
            let problem = problem.help("aws --endpoint-url http://127.0.0.1:4566 ssm");
            let mut problems = [problem];
            for_port(&mut problems, port);
            let [problem] = &problems;
            assert_eq!(problem.help.as_deref(), Some(said));
        }
    }
}

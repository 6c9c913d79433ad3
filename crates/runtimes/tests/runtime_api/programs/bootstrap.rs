//! A function in Rust, with nothing but the standard library: what a `bootstrap` in any language does.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const API: &str = "/2018-06-01/runtime";

struct Reply {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

struct Client {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Client {
    fn new() -> Self {
        let host = std::env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
        let stream = BufReader::new(TcpStream::connect(&host).unwrap());
        Self { stream, host }
    }

    fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        self.read()
    }

    fn read(&mut self) -> Reply {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = HashMap::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |it| it.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        let body = String::from_utf8(body).unwrap();
        Reply { status, headers, body }
    }
}

fn main() {
    let handler = std::env::var("_HANDLER").unwrap();
    println!("init");
    let mut client = Client::new();
    match handler.as_str() {
        "init-exits" => std::process::exit(3),
        "init-sleeps" => std::thread::sleep(std::time::Duration::from_secs(60)),
        "init-fails" => {
            let body = br#"{"errorType":"Shop.Closed","errorMessage":"no tea"}"#;
            let reply = client.send("POST", &format!("{API}/init/error"), "", body);
            assert_eq!(reply.status, 202);
            std::process::exit(1);
        }
        _ => {}
    }
    let mut events = 0;
    loop {
        let event = client.send("GET", &format!("{API}/invocation/next"), "", b"");
        events += 1;
        let id = event.headers["lambda-runtime-aws-request-id"].clone();
        println!("event {events}");
        let path = format!("{API}/invocation/{id}/response");
        let reply = match handler.as_str() {
            "headers" => {
                let mut names: Vec<_> = event.headers.iter().collect();
                names.sort();
                let named = names.iter().map(|(name, value)| format!("{name}={value}"));
                let text = named.collect::<Vec<_>>().join("\n");
                client.send("POST", &path, "", format!("{text:?}").as_bytes())
            }
            "pid" => client.send("POST", &path, "", std::process::id().to_string().as_bytes()),
            "raises" => {
                let path = format!("{API}/invocation/{id}/error");
                let kind = "Lambda-Runtime-Function-Error-Type: Function.OutOfTea\r\n";
                client.send("POST", &path, kind, event.body.as_bytes())
            }
            "exits" => std::process::exit(event.body.parse().unwrap()),
            "replies-and-exits" => {
                client.send("POST", &path, "", b"1");
                std::process::exit(0);
            }
            "sleeps" => {
                std::thread::sleep(std::time::Duration::from_secs(60));
                continue;
            }
            "large" => {
                let size: usize = event.body.parse().unwrap();
                let body = format!("\"{}\"", "x".repeat(size - 2));
                let reply = client.send("POST", &path, "", body.as_bytes());
                println!("{} {}", reply.status, reply.body);
                continue;
            }
            "streams" => {
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
                     Lambda-Runtime-Function-Response-Mode: streaming\r\n\
                     Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n\
                     3\r\n\"on\r\n3\r\ne!\"\r\n0\r\n"
                );
                let trailers = if event.body == "true" {
                    // {"errorMessage":"cut"}
                    "Lambda-Runtime-Function-Error-Type: Function.Cut\r\n\
                     Lambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiJjdXQifQ==\r\n\r\n"
                } else {
                    "\r\n"
                };
                let whole = head + trailers;
                client.stream.get_mut().write_all(whole.as_bytes()).unwrap();
                client.read()
            }
            "environment" => {
                let names = ["_HANDLER", "AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "AWS_EXECUTION_ENV",
                    "LAMBDA_RUNTIME_DIR", "AWS_REGION", "AWS_ACCESS_KEY_ID", "COLOUR"];
                let text: Vec<_> = names
                    .iter()
                    .map(|name| format!("{name}={}", std::env::var(name).unwrap_or_default()))
                    .collect();
                let folder = std::env::current_dir().unwrap();
                let text = format!("{}\ncwd={}", text.join("\n"), folder.display());
                client.send("POST", &path, "", format!("{text:?}").as_bytes())
            }
            _ => client.send("POST", &path, "", event.body.as_bytes()),
        };
        assert_eq!((reply.status, reply.body.as_str()), (202, "{\"status\":\"OK\"}"));
    }
}

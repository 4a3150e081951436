//! Sends many small requests to a local server, and prints how many it answers in a second. It uses little processor time
//! itself, because it shares the machine with the server: one thread per connection, and HTTP/1.1 over a plain socket.
//!
//! `load assign|event|flag HOST:PORT TOKEN KEY FIRST COUNT CONNECTIONS` calls for the users with the numbers from FIRST on:
//! `assign` requests the assignment of each in the experiment KEY, `event` sends one event of each, and `flag` evaluates the
//! flag KEY for each by OpenFeature's protocol.

#![expect(clippy::expect_used, reason = "a tool that a failure ends")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, address, token, key, first, count, connections] = arguments.as_slice() else {
        panic!("usage: load assign|event|flag HOST:PORT TOKEN KEY FIRST COUNT CONNECTIONS");
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let (first, count, connections) = (number(first), number(count), number(connections));
    let next = AtomicU64::new(first);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut connection = BufReader::new(TcpStream::connect(address).expect("a server"));
                connection.get_ref().set_nodelay(true).expect("an option");
                loop {
                    let user = next.fetch_add(1, Ordering::Relaxed);
                    if user >= first + count {
                        break;
                    }
                    let request = request(mode, token, key, user);
                    connection
                        .get_mut()
                        .write_all(request.as_bytes())
                        .expect("a connection");
                    answered(&mut connection);
                }
            });
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate for readers")]
    let rate = count as f64 / started.elapsed().as_secs_f64();
    #[expect(clippy::print_stdout, reason = "the result")]
    {
        println!("{rate:.0}");
    }
}

fn request(mode: &str, token: &str, key: &str, user: u64) -> String {
    let head = |method: &str, path: &str, more: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: local\r\nauthorization: Bearer {token}\r\n{more}\r\n"
        )
    };
    let post = |path: &str, body: String| {
        let length = body.len();
        let more = format!("content-type: application/json\r\ncontent-length: {length}\r\n");
        head("POST", path, &more) + &body
    };
    match mode {
        "assign" => head(
            "GET",
            &format!("/experiments/{key}/assignment/user-{user}"),
            "",
        ),
        "event" => {
            let body = format!(
                r#"{{"user_id":"user-{user}","type":"purchase","event_id":"order-{user}","value":19.99}}"#
            );
            post("/events", body)
        }
        "flag" => {
            let body = format!(
                r#"{{"context":{{"targetingKey":"user-{user}","country":"DE","plan":"pro"}}}}"#
            );
            post(&format!("/ofrep/v1/evaluate/flags/{key}"), body)
        }
        other => panic!("no mode {other}"),
    }
}

/// Reads a response; anything other than 200 ends the program.
fn answered(connection: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    let mut length = 0;
    let mut status = String::new();
    loop {
        line.clear();
        connection.read_line(&mut line).expect("a response");
        if status.is_empty() {
            status.clone_from(&line);
        }
        let header = line.trim_end().to_ascii_lowercase();
        if let Some(text) = header.strip_prefix("content-length:") {
            length = text.trim().parse().expect("a length");
        }
        if header.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).expect("a body");
    assert!(
        status.starts_with("HTTP/1.1 200"),
        "{status}{}",
        String::from_utf8_lossy(&body)
    );
}

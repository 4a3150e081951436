//! Sends many small requests to a local server, and prints how many it answers in a second. It uses little processor time
//! itself, because it shares the machine with the server: HTTP/1.1 over plain sockets, and few threads. Each thread has some
//! of the connections and looks at them in turn: it reads an answer and sends the next request.
//!
//! `load assign|event|flag HOST:PORT TOKEN KEY FIRST COUNT CONNECTIONS THREADS` calls for the users with the numbers from
//! FIRST on: `assign` requests the assignment of each in the experiment KEY, `event` sends one event of each, and `flag`
//! evaluates the flag KEY for each by OpenFeature's protocol.

#![expect(clippy::expect_used, reason = "a tool that a failure ends")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [
        mode,
        address,
        token,
        key,
        first,
        count,
        connections,
        threads,
    ] = arguments.as_slice()
    else {
        panic!("usage: load assign|event|flag HOST:PORT TOKEN KEY FIRST COUNT CONNECTIONS THREADS");
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let (first, count) = (number(first), number(count));
    let (connections, threads) = (number(connections), number(threads));
    assert!(
        (1..=connections).contains(&threads),
        "1 thread to 1 for each connection"
    );
    let next = AtomicU64::new(first);
    let next_request = || {
        let user = next.fetch_add(1, Ordering::Relaxed);
        (user < first + count).then(|| request(mode, token, key, user))
    };
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let own = (thread..connections).step_by(usize::try_from(threads).expect("a number"));
            let own: Vec<_> = own.map(|_| Connection::open(address)).collect();
            scope.spawn(|| in_turn(own, next_request));
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

/// Has one request on each connection until there are no more.
fn in_turn(mut connections: Vec<Connection>, next_request: impl Fn() -> Option<String>) {
    connections.retain_mut(|connection| connection.sends(next_request()));
    while !connections.is_empty() {
        connections.retain_mut(|connection| {
            connection.answered();
            connection.sends(next_request())
        });
    }
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a server");
        stream.set_nodelay(true).expect("an option");
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends a request, if there is one.
    fn sends(&mut self, request: Option<String>) -> bool {
        if let Some(request) = &request {
            self.stream
                .write_all(request.as_bytes())
                .expect("a connection");
        }
        request.is_some()
    }

    /// Reads a response; anything other than 200 ends the program.
    fn answered(&mut self) {
        self.received.clear();
        let mut missing = 1;
        while missing > 0 {
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).expect("a response");
            assert!(read > 0, "the server has closed the connection");
            self.received.extend_from_slice(&bytes[..read]);
            missing = missing_bytes(&self.received);
        }
        assert!(
            self.received.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&self.received)
        );
    }
}

/// How many bytes of a response are missing; at least one while its head is incomplete.
fn missing_bytes(received: &[u8]) -> usize {
    const LENGTH: &[u8] = b"content-length:";
    let (mut at, mut length) = (0, 0);
    for line in received.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line == b"\r\n" {
            return (at + length).saturating_sub(received.len());
        }
        if let Some((name, value)) = line.split_at_checked(LENGTH.len())
            && name.eq_ignore_ascii_case(LENGTH)
        {
            let digits = std::str::from_utf8(value).expect("a length").trim();
            // Incomplete digits are followed by no empty line.
            length = digits.parse().unwrap_or_default();
        }
    }
    1
}

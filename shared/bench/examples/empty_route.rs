//! An axum server with one empty route: the least that a request costs on a machine. `scripts/bench-flags` compares the
//! evaluation of a flag with it. It prints its address, and serves until it is stopped.

#![expect(clippy::expect_used, reason = "a tool that a failure ends")]

use axum::Router;
use axum::routing::post;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    #[expect(clippy::print_stdout, reason = "the address")]
    {
        println!("listening on http://{address}");
    }
    let routes = Router::new().route("/ofrep/v1/evaluate/flags/{key}", post(async || {}));
    axum::serve(listener, routes).await.expect("a server");
}

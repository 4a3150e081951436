//! `POST /sticky/{client_key}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(record_sticky_buckets::handle).await
}

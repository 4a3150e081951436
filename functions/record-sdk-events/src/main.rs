//! `POST /track`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(record_sdk_events::handle).await
}

//! `POST /flags/{key}/publish`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(publish_flag::handle).await
}

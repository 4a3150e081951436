//! `POST /flags/{key}/evaluate`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(explain_flag::handle).await
}

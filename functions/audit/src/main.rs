//! `POST /experiments/{id}/audit`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(audit::handle).await
}

//! `GET /experiments/{id}/history`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(get_history::handle).await
}

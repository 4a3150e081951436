//! `GET /api/features/{client_key}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(get_sdk_features::handle).await
}

//! `POST /api/eval/{client_key}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(evaluate_sdk_features::handle).await
}

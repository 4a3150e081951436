//! `POST /ofrep/v1/evaluate/flags`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(evaluate_flags::handle).await
}

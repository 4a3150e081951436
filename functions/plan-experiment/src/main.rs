//! `POST /experiments/plan`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(plan_experiment::handle).await
}

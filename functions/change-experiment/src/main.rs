//! `PATCH /experiments/{id}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(change_experiment::handle).await
}

//! `POST /experiments/{id}/assignments:evaluate`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(assign_users::handle).await
}

//! `POST /experiments/{id}/assignments`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(import_assignments::handle).await
}

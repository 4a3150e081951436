//! `POST /assignments`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(assign_user::handle).await
}

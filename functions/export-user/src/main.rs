//! `GET /users/{user_id}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(export_user::handle).await
}

//! `DELETE /users/{user_id}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(erase_user::handle).await
}

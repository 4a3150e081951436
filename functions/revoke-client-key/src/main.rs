//! `DELETE /client-keys/{id}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(revoke_client_key::handle).await
}

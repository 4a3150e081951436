//! `GET /client-keys`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(list_client_keys::handle).await
}

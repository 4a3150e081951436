//! `POST /client-keys`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(create_client_key::handle).await
}

//! `GET /layers/{id}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(get_layer::handle).await
}

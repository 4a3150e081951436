//! `DELETE /layers/{id}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(delete_layer::handle).await
}

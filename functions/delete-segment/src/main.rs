//! `DELETE /segments/{id}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(delete_segment::handle).await
}

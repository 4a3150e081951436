//! `GET /segments/{id}/history`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(get_segment_history::handle).await
}

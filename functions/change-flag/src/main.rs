//! `PATCH /flags/{key}`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(change_flag::handle).await
}

//! `POST /flags/{key}/revert`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(revert_flag::handle).await
}

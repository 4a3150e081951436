//! `PUT /flags/{key}/draft`, as a Lambda function.

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    shared::http::run(put_flag_draft::handle).await
}

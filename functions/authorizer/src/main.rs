//! The token authorizer, as a Lambda function.

use lambda_runtime::{LambdaEvent, service_fn};
use shared::app::App;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init();
    let app = App::from_environment()?;
    lambda_runtime::run(service_fn(
        |event: LambdaEvent<authorizer::TokenRequest>| {
            authorizer::handle(app.clone(), event.payload)
        },
    ))
    .await
}

//! The consumer of the stream of definitions, as a Lambda function.

use lambda_runtime::{LambdaEvent, service_fn};
use shared::app::App;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init();
    let app = App::from_environment()?;
    let notifier = event_bus::notifier_from_environment()?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<backfill::Batch>| {
        backfill::handle(app.clone(), notifier.clone(), event)
    }))
    .await
}

//! The daily audit of some experiments, as a Lambda function.

use lambda_runtime::{LambdaEvent, service_fn};
use shared::app::App;

#[tokio::main]
async fn main() -> Result<(), lambda_runtime::Error> {
    shared::telemetry::init();
    let app = App::from_environment()?;
    let notifier = event_bus::notifier_from_environment()?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<audit_sample::Tick>| {
        audit_sample::handle(app.clone(), notifier.clone(), event)
    }))
    .await
}

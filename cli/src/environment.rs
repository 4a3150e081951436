//! The environment variables that each function has in Lambda.

use crate::template::{LambdaFunction, LocalNames, Template};
use std::collections::BTreeMap;

/// Environment variables of one function.
pub type Environment = BTreeMap<String, String>;

/// Environment variables of all functions.
#[derive(Debug, Clone)]
pub struct Environments {
    by_binary: BTreeMap<String, Environment>,
}

impl Environments {
    /// Combines the variables in the template with those that Lambda sets and those of the local engine.
    pub fn new(template: &Template, local: &LocalNames, dynamodb_endpoint: &str) -> Self {
        let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let common = Environment::from([
            text("AWS_REGION", &local.region),
            text("AWS_DEFAULT_REGION", &local.region),
            text("AWS_ACCESS_KEY_ID", &local.access_key),
            text("AWS_SECRET_ACCESS_KEY", &local.access_key),
            text("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint),
        ]);
        let environment = |function: &LambdaFunction| {
            let mut environment = common.clone();
            environment.insert(
                "AWS_LAMBDA_FUNCTION_NAME".to_owned(),
                function.binary.clone(),
            );
            environment.extend(function.environment.clone());
            (function.binary.clone(), environment)
        };
        let by_binary = template.functions.values().map(environment).collect();
        Self { by_binary }
    }

    /// The variables of the function that runs this binary, or `None` if the template has no such function.
    pub fn of(&self, binary: &str) -> Option<&Environment> {
        self.by_binary.get(binary)
    }
}

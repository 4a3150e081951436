//! The `assay` command: the whole platform in one process, and the tools around it.
//!
//! - [`template`] reads `template.yaml`: tables, functions, routes, gateway responses
//! - [`engine`] is DynamoDB on this machine
//! - [`gateway`] is API Gateway on this machine
//! - [`functions`] are the Lambda functions, wired into the process
//! - [`serve`] puts them together

pub mod engine;
pub mod functions;
pub mod gateway;
pub mod serve;
pub mod template;

//! The `assay` command: the whole platform in one process, and the tools around it.
//!
//! - [`template`] reads `template.yaml`: tables, functions, routes, gateway responses
//! - [`engine`] is DynamoDB on this machine
//! - [`gateway`] is API Gateway on this machine
//! - [`functions`] are the Lambda functions, wired into the process
//! - [`streams`] are Lambda's event-source mappings on this machine
//! - [`serve`] puts them together
//! - [`import`], [`results`], [`audit`] and [`simulate`] use a platform through its API, by the one [`client`]
//! - [`token`] makes, lists and revokes tokens

pub mod audit;
pub mod client;
pub mod engine;
pub mod functions;
pub mod gateway;
pub mod import;
mod output;
pub mod results;
pub mod serve;
pub mod simulate;
pub mod streams;
pub mod template;
mod time;
pub mod token;

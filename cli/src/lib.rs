//! The `assay` command: the whole platform in one process, and the tools that use it.
//!
//! - [`template`] reads `template.yaml`: tables, functions, routes and gateway responses
//! - [`environment`] builds the environment variables of each function
//! - [`engine`] runs DynamoDB locally
//! - [`gateway`] runs API Gateway locally
//! - [`functions`] connects the Lambda functions to this process
//! - [`streams`] runs Lambda's event-source mappings locally
//! - [`log`] writes the log
//! - [`serve`] starts all of them together
//! - [`import`], [`results`], [`audit`], [`repair`], [`simulate`], [`key`] and [`flags`] call the API of a platform through the shared [`client`]
//! - [`token`] creates, lists and revokes tokens

pub mod audit;
pub mod client;
mod counting;
pub mod engine;
pub mod environment;
pub mod flags;
pub mod functions;
pub mod gateway;
mod http_client;
pub mod import;
pub mod key;
pub mod log;
pub mod notifications;
mod output;
pub mod repair;
pub mod results;
pub mod serve;
pub mod simulate;
pub mod streams;
pub mod template;
mod time;
pub mod token;

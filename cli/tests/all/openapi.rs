//! openapi.yaml against the code: its routes, scopes and limits, the answers of a running platform,
//! and the answers that the pages show.

mod answers;
mod api;
mod document;
mod pages;
mod refusals;
mod results;
mod text;

//! openapi.yaml against the code: its routes, scopes and limits, and the answers of a running platform.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod api;
mod document;
mod text;

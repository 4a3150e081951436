//! openapi.yaml is compared with the code, with the answers of a running platform, and with the answers in the docs.

mod answers;
mod api;
mod client_keys;
mod document;
mod document_matches_code;
mod evaluation;
mod flag_bodies;
mod flags;
mod guide_limits;
mod layers;
mod null_fields;
mod pages;
mod refusals;
mod requests;
mod results;
mod segments;

//! The commands of `assay` as a user types them. Each test has its own platform.

mod audit;
mod example;
mod flags;
mod flags_import;
mod flags_versions;
mod import;
mod import_files;
mod import_order;
mod import_users;
mod key;
mod repair;
mod result_options;
mod results;
mod retries;
mod simulate;
mod support;
mod token;

//! What is written down in one place and relied upon in another: the template, the code, the folders, and the
//! recorded events.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod folders;
mod recorded;
mod template;

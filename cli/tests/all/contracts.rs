//! What is written down in one place and relied upon in another: the template, the code, the folders, and the
//! recorded events.

mod folders;
mod imports;
mod recorded;
mod template;

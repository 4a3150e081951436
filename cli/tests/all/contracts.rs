//! The template, the code, the folders, the docs and the recorded events agree.

mod folders;
mod imports;
mod links;
mod recorded;
mod template;

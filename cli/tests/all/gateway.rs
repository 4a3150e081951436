//! The gateway, driven over real sockets, in front of small real functions.

mod access_log;
mod authorizer;
mod bodies;
mod failures;
mod paths;
mod policy;
mod requests;
mod responses;
mod support;

//! The `assay` command.

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The AWS SDK and the engine allocate hundreds of small values for each request, on many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run experiments and feature flags in your own AWS account, or the whole platform locally.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    Serve(assay::serve::ServeArgs),
    Import(assay::import::ImportArgs),
    Results(assay::results::ResultsArgs),
    Audit(assay::audit::AuditArgs),
    Repair(assay::repair::RepairArgs),
    Simulate(assay::simulate::SimulateArgs),
    Token(assay::token::TokenArgs),
    Key(assay::key::KeyArgs),
    Flags(assay::flags::FlagsArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let log = assay::log::Log::start();
    // `assay` without a subcommand starts the server, so `cargo run` starts it, too.
    let default = || Cli::parse_from(["assay", "serve"]).command;
    let outcome = match Cli::parse().command.or_else(default) {
        Some(Command::Serve(args)) => assay::serve::run(args).await.map_err(|e| e.to_string()),
        Some(Command::Import(args)) => assay::import::run(args).await.map_err(|e| e.to_string()),
        Some(Command::Results(args)) => assay::results::run(args).await.map_err(|e| e.to_string()),
        Some(Command::Audit(args)) => assay::audit::run(args).await.map_err(|e| e.to_string()),
        Some(Command::Repair(args)) => assay::repair::run(args).await.map_err(|e| e.to_string()),
        Some(Command::Simulate(args)) => {
            assay::simulate::run(args).await.map_err(|e| e.to_string())
        }
        Some(Command::Token(args)) => assay::token::run(args).await.map_err(|e| e.to_string()),
        Some(Command::Key(args)) => assay::key::run(args).await.map_err(|e| e.to_string()),
        Some(Command::Flags(args)) => assay::flags::run(args).await.map_err(|e| e.to_string()),
        None => Ok(()),
    };
    // An error is the last line.
    drop(log);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("assay: {error}");
            ExitCode::FAILURE
        }
    }
}

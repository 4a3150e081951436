//! The embedded engine: SQLite underneath, in memory or in a file.

use super::stream_records;
use dynoxide::Database;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often items whose time is over are removed. The service itself takes up to days.
const TTL_SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Where the engine keeps its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory: gone with the process.
    Memory,
    /// In this file, made with its folders when it is not there.
    File(PathBuf),
}

/// Why the engine does not run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder or the lock of the data file could not be made.
    #[error("cannot use {file}: {source}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process has the data file open; two engines on one file would hide writes from each other.
    #[error("{file} is in use by another process: stop it, or name another file with --data", file = .0.display())]
    InUse(PathBuf),
    /// The engine refused the data.
    #[error("the engine cannot open its data: {0}")]
    Open(String),
    /// Its port or thread could not be had.
    #[error("the engine cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// It ended by itself.
    #[error("the engine stopped: {0}")]
    Stopped(String),
}

/// A running engine. Dropped, it stops at its next rest; [`Engine::shutdown`] waits for that.
#[derive(Debug)]
pub struct Engine {
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), String>>>,
}

impl Engine {
    /// Opens the data and serves it on a free port of the loopback interface.
    pub fn start(storage: &Storage) -> Result<Self, EngineError> {
        let (database, lock) = open(storage)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // A thread of its own: the engine blocks on the disk and on its one lock, and must not hold up the
        // threads that answer requests.
        let thread = std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || {
                // Released only when the database has been closed.
                let _lock = lock;
                runtime.block_on(serve(listener, database, stopped))
            })?;
        Ok(Self {
            endpoint,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Its address, as `AWS_ENDPOINT_URL_DYNAMODB` wants it.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Lets running operations finish, closes the data and returns when the file is free again.
    pub async fn shutdown(mut self) -> Result<(), EngineError> {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(outcome)) => outcome.map_err(EngineError::Stopped),
            Ok(Err(_)) | Err(_) => Err(EngineError::Stopped("its thread panicked".to_owned())),
        }
    }
}

async fn serve(
    listener: TcpListener,
    database: Database,
    stopped: oneshot::Receiver<()>,
) -> Result<(), String> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| e.to_string())?;
    let sweeper = tokio::spawn(sweep(database.clone()));
    // Resolves when the sender says so and also when it is dropped.
    let stop = async move { drop(stopped.await) };
    let outcome = dynoxide::server::serve_with_shutdown(listener, database, stop).await;
    sweeper.abort();
    outcome
}

/// The engine's server leaves expired items where they are, so they are removed from here.
async fn sweep(database: Database) {
    let mut ticks = tokio::time::interval(TTL_SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        let database = database.clone();
        let swept = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "expired items could not be removed");
        }
    }
}

fn open(storage: &Storage) -> Result<(Database, Option<File>), EngineError> {
    let refused = |error: dynoxide::DynoxideError| EngineError::Open(error.to_string());
    let (path, lock) = match storage {
        // A name and a shared cache, so that a second connection finds it.
        Storage::Memory => {
            let name = uuid::Uuid::new_v4();
            (format!("file:{name}?mode=memory&cache=shared"), None)
        }
        Storage::File(file) => {
            let lock = lock(file)?;
            let path = file
                .to_str()
                .ok_or_else(|| EngineError::Open(format!("{} is not UTF-8", file.display())))?;
            (path.to_owned(), Some(lock))
        }
    };
    let database = Database::new(&path).map_err(refused)?;
    stream_records::prepare(&path).map_err(|error| EngineError::Open(error.to_string()))?;
    Ok((database, lock))
}

/// A lock beside the data file, held for as long as the process has it open. The operating system lets go of
/// it when the process dies, however it does.
fn lock(file: &Path) -> Result<File, EngineError> {
    let failed = |source| EngineError::File {
        file: file.to_owned(),
        source,
    };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let lock = File::create(file.with_extension("lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(EngineError::InUse(file.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

//! The embedded engine. It stores its data with SQLite, in memory or in a file.

use super::log_file::LogFile;
use super::table_writes::TableWrites;
use super::{direct, stream_records};
use dynoxide::Database;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often expired items are removed. DynamoDB itself may take days.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// Where the engine keeps its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory. The data is lost when the process ends.
    Memory,
    /// In this file. The file and its folders are created if they do not exist.
    File(PathBuf),
}

/// Why the engine cannot start or has stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder or the lock file could not be created.
    #[error("cannot use {file}: {source}", file = .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process has the data file open. Two engines on one file would not see each other's writes.
    #[error("{file} is in use by another process: stop it, or name another file with --data", file = .0.display())]
    InUse(PathBuf),
    /// The engine could not open the data.
    #[error("the engine cannot open its data: {0}")]
    Open(String),
    /// The engine could not open a port or start its thread.
    #[error("the engine cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The engine stopped without a request to stop.
    #[error("the engine stopped: {0}")]
    Stopped(String),
}

/// A running engine. It stops some time after it is dropped; [`Engine::shutdown`] waits until it has stopped.
#[derive(Debug)]
pub struct Engine {
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<(), String>>>,
    direct: Option<direct::Thread>,
    writes: Arc<TableWrites>,
}

impl Engine {
    /// Opens the data and serves it on a free port of the loopback interface.
    pub fn start(storage: &Storage) -> Result<Self, EngineError> {
        let (database, lock) = open(storage)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let writes = Arc::<TableWrites>::default();
        let log = match storage {
            Storage::Memory => None,
            Storage::File(file) => Some(LogFile::of(file)),
        };
        let direct = direct::Thread::start(&endpoint, database.clone(), log, writes.clone())?;
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        // The engine runs in a separate thread: it blocks on the disk and on its single lock, and must not delay the
        // threads that answer requests.
        let thread = std::thread::Builder::new()
            .name("dynamodb".to_owned())
            .spawn(move || {
                // The lock is released after the database is closed.
                let _lock = lock;
                runtime.block_on(serve(listener, database, stopped))
            })?;
        Ok(Self {
            endpoint,
            stop: Some(stop),
            thread: Some(thread),
            direct: Some(direct),
            writes,
        })
    }

    /// Notices writes to the tables.
    pub fn writes(&self) -> &TableWrites {
        &self.writes
    }

    /// URL of the engine, for `AWS_ENDPOINT_URL_DYNAMODB`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Waits for running operations, closes the data, and returns when another process can open the file.
    pub async fn shutdown(mut self) -> Result<(), EngineError> {
        drop(self.stop.take());
        let direct = self.direct.take().map(direct::Thread::stop);
        let Some(thread) = self.thread.take() else {
            return Ok(());
        };
        if let Some(direct) = direct {
            let joined = tokio::task::spawn_blocking(move || direct.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                return Err(EngineError::Stopped("its thread panicked".to_owned()));
            }
        }
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(outcome)) => outcome.map_err(EngineError::Stopped),
            Ok(Err(_)) | Err(_) => Err(EngineError::Stopped("its thread panicked".to_owned())),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The thread ends by itself.
        drop(self.direct.take().map(direct::Thread::stop));
    }
}

async fn serve(
    listener: TcpListener,
    database: Database,
    stopped: oneshot::Receiver<()>,
) -> Result<(), String> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|e| e.to_string())?;
    let expiry_task = tokio::spawn(remove_expired_items(database.clone()));
    // Resolves when the sender sends and when it is dropped.
    let stop = async move { drop(stopped.await) };
    let outcome = dynoxide::server::serve_with_shutdown(listener, database, stop).await;
    expiry_task.abort();
    outcome
}

/// Removes expired items periodically, because the engine's server does not.
async fn remove_expired_items(database: Database) {
    let mut ticks = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        ticks.tick().await;
        let database = database.clone();
        let removed = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "expired items could not be removed");
        }
    }
}

fn open(storage: &Storage) -> Result<(Database, Option<File>), EngineError> {
    let refused = |error: dynoxide::DynoxideError| EngineError::Open(error.to_string());
    let (path, lock) = match storage {
        // With a name and a shared cache, a second connection can open the same database.
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
    // Sets `synchronous=NORMAL` and otherwise SQLite's defaults: see `log_file`.
    database.disable_bulk_loading().map_err(refused)?;
    stream_records::prepare(&path).map_err(|error| EngineError::Open(error.to_string()))?;
    Ok((database, lock))
}

/// Locks a file beside the data file while the process uses the data. The operating system releases the lock when the
/// process ends, even if it crashes.
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

//! Worlds that several tests read.

/// Starts something that outlives the test that needs it first, on threads of its own.
pub(crate) fn start<T: Send + 'static>(start: impl Future<Output = T> + Send + 'static) -> T {
    let started = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let world = runtime.block_on(start);
        // The world's tasks run until the process ends.
        std::mem::forget(runtime);
        world
    });
    started.join().unwrap()
}

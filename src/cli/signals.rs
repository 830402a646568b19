//! The signals that end the program.
//!
//! They are heard on a thread of their own: the one that works may be waiting for an answer at the terminal, and
//! then neither hears a signal nor can be told of one.

use std::future::Future;
use std::time::Duration;

use tokio::sync::oneshot;

/// How long the program may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);

/// Waits for a signal to end, and says which exit code it asks for. Whoever waits has half a second to end the
/// program with it; after that it is ended as it stands.
pub(super) fn interrupted() -> impl Future<Output = u8> {
    let (tell, told) = oneshot::channel();
    let listen = move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let Some(code) = runtime.block_on(heard()) else { return };
        // Where nobody waits any more, the program is about to end.
        let _ = tell.send(code);
        std::thread::sleep(GRACE);
        std::process::exit(code.into());
    };
    // Without the thread a signal does what it does to any program.
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(listen);
    async {
        match told.await {
            Ok(code) => code,
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(unix)]
async fn heard() -> Option<u8> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).ok()?;
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    tokio::select! {
        _ = interrupt.recv() => Some(130),
        _ = terminate.recv() => Some(143),
    }
}

#[cfg(not(unix))]
async fn heard() -> Option<u8> {
    tokio::signal::ctrl_c().await.ok().map(|()| 130)
}

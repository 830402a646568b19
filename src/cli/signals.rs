//! The signals that end the program.
//!
//! They are heard on a thread of their own: the one that works may be waiting for an answer at the terminal, and
//! then neither hears a signal nor can be told of one.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// How long the program may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);

/// Listens for the signals to end from now on; the future says which exit code one asks for. Whoever waits for it
/// has half a second to end the program; after that it is ended as it stands.
///
/// Returns when every signal is heard. One that came earlier would end the program on the spot, with a terminal that
/// shows nothing of what is typed, or do nothing where whoever started the program had it ignored.
pub(super) fn listen() -> impl Future<Output = u8> {
    let (tell, told) = oneshot::channel();
    let (ready, listening) = mpsc::sync_channel::<()>(1);
    let listen = move || {
        let Ok((runtime, mut signals)) = prepare() else { return };
        let _ = ready.send(());
        let code = runtime.block_on(signals.first());
        // Where nobody waits any more, the program is about to end.
        let _ = tell.send(code);
        std::thread::sleep(GRACE);
        std::process::exit(code.into());
    };
    // Without the thread a signal does what it does to any program.
    let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(listen);
    let _ = listening.recv();
    async {
        match told.await {
            Ok(code) => code,
            Err(_) => std::future::pending().await,
        }
    }
}

fn prepare() -> io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals::open()?
    };
    Ok((runtime, signals))
}

/// The signals, heard from when this is made.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn open() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one, and says which exit code it asks for.
    async fn first(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 130,
            _ = self.terminate.recv() => 143,
        }
    }
}

/// Ctrl-C, heard from when this is made.
#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn open() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    /// Waits for it, and says which exit code it asks for.
    async fn first(&mut self) -> u8 {
        self.0.recv().await;
        130
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn every_signal_is_heard_as_soon_as_anything_else_begins() {
        let _heard = super::listen();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
        for signal in [libc::SIGINT, libc::SIGTERM] {
            assert_eq!(caught >> (signal - 1) & 1, 1, "{signal}");
        }
    }
}

//! `tranship serve`, as a user starts it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use super::program::Program;
use super::push::Registry;

/// A running `tranship serve` over the store of a program's home. It ends when it is dropped.
pub(crate) struct Served {
    child: Child,
    address: String,
    log: Option<JoinHandle<String>>,
}

impl Served {
    /// Serves the store of `program` at a free port.
    pub(crate) fn of(program: &Program) -> Self {
        Self::with(program, &[])
    }

    /// The same, with more flags.
    pub(crate) fn with(program: &Program, flags: &[&str]) -> Self {
        Self::start(program, &[&["--listen", "127.0.0.1:0"], flags].concat())
    }

    /// Serves the store of `program` at this address.
    pub(crate) fn at(program: &Program, address: &str) -> Self {
        Self::start(program, &["--listen", address])
    }

    fn start(program: &Program, flags: &[&str]) -> Self {
        Self::by(&mut program.command(&[&["serve", "-q", "-v"], flags].concat()))
    }

    /// A server that another command becomes, whose last words are those of a server that is quiet.
    ///
    /// # Panics
    /// It ends before it serves.
    pub(crate) fn by(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let mut errors = child.stderr.take().unwrap();
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            // What came before an error is what there is.
            let _ = errors.read_to_string(&mut log);
            log
        });
        let Some((_, address)) = url.trim().split_once("://") else {
            panic!("it does not serve:\n{}", log.join().unwrap());
        };
        let address = address.to_owned();
        Self { child, address, log: Some(log) }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A client of it that nobody of us wrote.
    pub(crate) fn registry(&self) -> Registry {
        Registry::at(&format!("http://{}", self.address))
    }

    /// Sends a signal by name, and waits for the end; what it had said until then.
    pub(crate) fn end(mut self, signal: &str) -> String {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        self.child.wait().unwrap();
        self.log.take().unwrap().join().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Where it has ended, there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

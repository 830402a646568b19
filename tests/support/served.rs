//! `tranship serve`, as a user starts it.

use std::io::{BufRead as _, BufReader};
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
    ///
    /// # Panics
    /// It ends before it serves.
    pub(crate) fn with(program: &Program, flags: &[&str]) -> Self {
        let arguments = [&["serve", "--listen", "127.0.0.1:0", "-v"], flags].concat();
        let mut command = program.command(&arguments);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (mut log, mut address) = (String::new(), None);
        while address.is_none() && lines.read_line(&mut log).unwrap() > 0 {
            let last = log.lines().last().unwrap_or_default();
            address = last.split_once("://").map(|(_, address)| address.trim().to_owned());
        }
        let address = address.unwrap_or_else(|| panic!("it does not serve:\n{log}"));
        let log = std::thread::spawn(move || {
            // What came before an error is what there is.
            while lines.read_line(&mut log).is_ok_and(|length| length > 0) {}
            log
        });
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

//! Runs the program as a user does: in a home of its own, with nothing of this machine's in reach.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that a run may take where a test says nothing else.
const LIMIT: Duration = Duration::from_mins(1);

/// The program in an empty home, which goes when this is dropped.
pub(crate) struct Program {
    home: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// The exit code; `None` where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The most memory that it had at a time, in bytes, as of the last look before its end.
    pub(crate) peak: u64,
    home: String,
}

/// A run that is about to begin.
pub(crate) struct Invocation {
    command: Command,
    home: String,
    stdin: Vec<u8>,
    limit: Duration,
}

/// A run that is under way.
pub(crate) struct Running {
    child: Child,
    stdout: JoinHandle<Vec<u8>>,
    stderr: JoinHandle<Vec<u8>>,
    limit: Duration,
    home: String,
}

impl Program {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name).to_string_lossy().into_owned();
        let environment = [
            ("HOME", path("")),
            ("XDG_CONFIG_HOME", path("config")),
            ("XDG_DATA_HOME", path("data")),
            ("XDG_STATE_HOME", path("state")),
            ("XDG_CACHE_HOME", path("cache")),
            ("XDG_RUNTIME_DIR", path("run")),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("NO_COLOR", "1".to_owned()),
        ];
        let environment = environment.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Self { home, environment }
    }

    /// The home.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A path in the home, as a word of the command line.
    pub(crate) fn path(&self, name: &str) -> String {
        self.home.path().join(name).to_string_lossy().into_owned()
    }

    /// Where the configuration is looked for.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.home.path().join("config/tranship/config.yaml")
    }

    /// Writes the configuration.
    pub(crate) fn configure(&self, yaml: &str) {
        let file = self.config_file();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, yaml).unwrap();
    }

    /// Sets a variable for every run.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.invoke(arguments).run()
    }

    /// Prepares a run, for what [`Program::run`] cannot say.
    pub(crate) fn invoke(&self, arguments: &[&str]) -> Invocation {
        self.invoke_other(env!("CARGO_BIN_EXE_tranship"), arguments)
    }

    /// Runs on a terminal of its own, types `keys` once `prompt` stands there, and waits for the end. Standard
    /// output is what the terminal showed. The arguments are for a shell.
    pub(crate) fn type_at(&self, arguments: &[&str], prompt: &'static str, keys: &'static [u8]) -> Output {
        self.type_behind("", arguments, prompt, keys)
    }

    /// The same, where the signal of Ctrl-C is ignored when the program starts.
    pub(crate) fn type_at_ignoring_interrupts(
        &self,
        arguments: &[&str],
        prompt: &'static str,
        keys: &'static [u8],
    ) -> Output {
        self.type_behind("trap '' INT; ", arguments, prompt, keys)
    }

    /// The same, with a shell's words in front.
    fn type_behind(&self, before: &str, arguments: &[&str], prompt: &'static str, keys: &'static [u8]) -> Output {
        self.type_in_shell(
            &format!("{before}exec {} {}", env!("CARGO_BIN_EXE_tranship"), arguments.join(" ")),
            prompt,
            keys,
        )
    }

    /// Runs words of a shell on a terminal, where `$tranship` is the program.
    pub(crate) fn type_in_shell(&self, words: &str, prompt: &'static str, keys: &'static [u8]) -> Output {
        let words = words.replace("$tranship", env!("CARGO_BIN_EXE_tranship"));
        let script = ["--quiet", "--return", "--flush", "--command", &words, "/dev/null"];
        self.invoke_other("script", &script).start_with(|stdin, stdout| converse(stdin, stdout, prompt, keys)).finish()
    }

    /// The bare command of a run, for what goes on by itself.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_tranship"), arguments)
    }

    /// The bare command of another program in the same home.
    pub(crate) fn command_of(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.home.path()).env_clear().envs(&self.environment);
        command
    }

    /// Prepares a run of another program in the same home.
    pub(crate) fn invoke_other(&self, program: &str, arguments: &[&str]) -> Invocation {
        let command = self.command_of(program, arguments);
        let home = self.home.path().to_string_lossy().into_owned();
        Invocation { command, home, stdin: Vec::new(), limit: LIMIT }
    }
}

impl Invocation {
    /// What standard input holds; nothing where this is not called.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Sets a variable for this run.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// How long it may take before the test fails.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(crate) fn run(self) -> Output {
        self.start().finish()
    }

    /// Starts it and goes on.
    pub(crate) fn start(mut self) -> Running {
        let bytes = std::mem::take(&mut self.stdin);
        self.start_with(move |mut stdin, stdout| {
            // A program that does not read its input ends the pipe, which is its right.
            std::thread::spawn(move || drop(stdin.write_all(&bytes)));
            reader(stdout)
        })
    }

    fn start_with(mut self, talk: impl FnOnce(ChildStdin, ChildStdout) -> JoinHandle<Vec<u8>>) -> Running {
        let command = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = talk(child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let stderr = reader(child.stderr.take().unwrap());
        Running { child, stdout, stderr, limit: self.limit, home: self.home }
    }
}

fn reader(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is what there is.
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

/// Reads until `prompt` is there, types `keys`, and reads what follows.
fn converse(
    mut stdin: ChildStdin,
    mut stdout: ChildStdout,
    prompt: &'static str,
    keys: &'static [u8],
) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        let mut asked = false;
        while let Some(length) = stdout.read(&mut piece).ok().filter(|length| *length > 0) {
            bytes.extend_from_slice(&piece[..length]);
            if !asked && String::from_utf8_lossy(&bytes).contains(prompt) {
                asked = true;
                stdin.write_all(keys).unwrap();
            }
        }
        bytes
    })
}

impl Running {
    /// Sends a signal by name: `INT`, `TERM`, `KILL`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Sends a signal, if there is still somebody to get it.
    pub(crate) fn signal_if_running(&self, name: &str) {
        // Until it is waited for, its number is nobody else's.
        let _ = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).stderr(Stdio::null()).status();
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// It takes longer than its limit.
    pub(crate) fn finish(mut self) -> Output {
        let until = Instant::now() + self.limit;
        let mut pause = Duration::from_millis(1);
        let mut peak = 0;
        let status = loop {
            peak = memory(self.child.id()).unwrap_or(0).max(peak);
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let (stdout, stderr) = (text(self.stdout), text(self.stderr));
                panic!("not done after {:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", self.limit);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(4));
        };
        Output { code: status.code(), stdout: text(self.stdout), stderr: text(self.stderr), peak, home: self.home }
    }
}

/// The most memory that a running process has had, in bytes.
fn memory(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn text(stream: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&stream.join().unwrap()).into_owned()
}

impl Output {
    /// Asserts that it succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.shown());
        self
    }

    /// Asserts that standard error holds `part`.
    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "`{part}` is not said:\n{}", self.shown());
        self
    }

    /// Asserts that `part` is nowhere in the output: for secrets.
    #[track_caller]
    pub(crate) fn keeps_quiet_about(self, part: &str) -> Self {
        assert!(!self.stdout.contains(part) && !self.stderr.contains(part), "`{part}` is told:\n{}", self.shown());
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{}", self.shown()))
    }

    /// The lines of standard output.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// Exit code, output and errors, with what differs from run to run replaced: for snapshots.
    pub(crate) fn shown(&self) -> String {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        let text = format!("exit {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        normal(&text.replace(&self.home, "HOME"))
    }
}

/// Replaces ports of loopback addresses and digests.
pub(crate) fn normal(text: &str) -> String {
    let text =
        replace_runs(text, &["127.0.0.1:", "127.0.0.2:", "localhost:", "localhost_", "127.0.0.1_"], "PORT", |c| {
            c.is_ascii_digit()
        });
    replace_runs(&text, &["sha256:", "sha256-"], "DIGEST", |c| c.is_ascii_hexdigit())
}

/// Replaces the run of characters of a kind behind every one of `prefixes`.
fn replace_runs(text: &str, prefixes: &[&str], replacement: &str, kind: impl Fn(char) -> bool) -> String {
    let mut normal = String::new();
    let mut rest = text;
    'text: while let Some(first) = rest.chars().next() {
        for prefix in prefixes {
            if let Some(after) = rest.strip_prefix(prefix)
                && after.starts_with(&kind)
            {
                normal.push_str(prefix);
                normal.push_str(replacement);
                rest = after.trim_start_matches(&kind);
                continue 'text;
            }
        }
        normal.push(first);
        rest = &rest[first.len_utf8()..];
    }
    normal
}

//! What a run of another program costs: wall time, CPU time, peak memory.
//!
//! The kernel counts as a process's peak also what its parent held when it was started. So a small process stands
//! between: the benchmark itself, started again as a stopwatch, which starts the program and says what it took.

use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wait4::Wait4 as _;

use crate::support::program::Program;

/// The word that makes the benchmark a stopwatch; how often and how many seconds at most follow, then the command.
pub(crate) const WORD: &str = "--stopwatch";

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    /// User and system time of the process and all its threads.
    pub(crate) cpu: Duration,
    /// The most memory that it had at a time, in bytes.
    pub(crate) peak: u64,
    pub(crate) succeeded: bool,
}

/// Runs `command` so many `times` in the home of `program`, each for at most `limit`.
///
/// # Errors
/// It could not be started, or ended otherwise than with success; with what it said.
pub(crate) fn time(
    program: &Program,
    command: &[String],
    times: usize,
    limit: Duration,
) -> Result<Vec<Sample>, String> {
    let itself = std::env::current_exe().map_err(|error| error.to_string())?;
    let (times_word, seconds) = (times.to_string(), limit.as_secs().to_string());
    let mut words = vec![WORD, &times_word, &seconds];
    words.extend(command.iter().map(String::as_str));
    let patience = limit * u32::try_from(times).unwrap_or(u32::MAX) + Duration::from_secs(10);
    let output = program.invoke_other(&itself.to_string_lossy(), &words).limit(patience).run();
    let samples: Vec<Sample> = output.stdout.lines().filter_map(read).collect();
    if samples.len() == times && samples.iter().all(|sample| sample.succeeded) {
        return Ok(samples);
    }
    let said: String = output.stderr.chars().take(400).collect();
    Err(format!("{} failed: {}", command.first().map_or("", String::as_str), said.trim()))
}

fn read(line: &str) -> Option<Sample> {
    let line: Value = serde_json::from_str(line).ok()?;
    let time = |key: &str| line[key].as_u64().map(Duration::from_micros);
    let (wall, cpu) = (time("wall")?, time("cpu")?);
    Some(Sample { wall, cpu, peak: line["peak"].as_u64()?, succeeded: line["succeeded"].as_bool()? })
}

/// The stopwatch itself: runs the command of `words` and prints a line for each run.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let [times, seconds, program, arguments @ ..] = words else { return ExitCode::from(2) };
    let (Ok(times), Ok(seconds)) = (times.parse::<usize>(), seconds.parse()) else { return ExitCode::from(2) };
    for _ in 0..times {
        match once(program, arguments, Duration::from_secs(seconds)) {
            Ok(line) => println!("{line}"),
            Err(error) => {
                eprintln!("{program}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn once(program: &str, arguments: &[String], limit: Duration) -> std::io::Result<Value> {
    let mut command = Command::new(program);
    let command = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let child = command.spawn()?;
    let (done, ended) = mpsc::channel::<()>();
    let id = child.id().to_string();
    let guard = std::thread::spawn(move || {
        // Until it is waited for, its number is nobody else's.
        if ended.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-s", "KILL", &id]).status();
        }
    });
    let used = child.wait4()?;
    let wall = begun.elapsed();
    drop(done);
    let _ = guard.join();
    Ok(json!({
        "wall": u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        "cpu": u64::try_from((used.rusage.utime + used.rusage.stime).as_micros()).unwrap_or(u64::MAX),
        "peak": used.rusage.maxrss,
        "succeeded": used.status.success(),
    }))
}

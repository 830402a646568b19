//! A trial: the tools in turn at the same work, each run from a clean state, and medians of what it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::results::{Results, Row};
use super::stopwatch::{self, Sample};
use super::tasks::{Task, Transport};
use super::tools::{Kind, Tool};
use crate::support::docker_registry::DockerRegistry;
use crate::support::program::Program;
use crate::support::relay::Relay;

/// The longest that any one run may take.
const LIMIT: Duration = Duration::from_mins(3);

/// What is measured, how, and what came of it so far.
pub(crate) struct Bench {
    /// tranship first.
    pub(crate) tools: Vec<Tool>,
    pub(crate) runs: usize,
    /// Whether sizes are small: to see that it works, not for figures.
    pub(crate) quick: bool,
    pub(crate) results: Results,
    pub(crate) stopped: Arc<AtomicBool>,
}

/// One run of one tool, with what it needs for it.
pub(crate) struct Errand {
    pub(crate) task: Task,
    pub(crate) transport: Transport,
    /// More of tranship's configuration.
    pub(crate) configuration: String,
    /// What is counted.
    pub(crate) relays: Vec<Relay>,
    /// What ends with the run.
    pub(crate) held: Vec<DockerRegistry>,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Timed,
    /// Through relays that count; they cost time.
    Counted,
}

impl Errand {
    /// A run over plain HTTP that needs nothing else.
    pub(crate) fn plain(task: Task) -> Self {
        let configuration = String::new();
        Self { task, transport: Transport::Plain, configuration, relays: Vec::new(), held: Vec::new() }
    }

    /// Holds a registry for as long as the run lasts.
    pub(crate) fn holding(mut self, registry: DockerRegistry) -> Self {
        self.held.push(registry);
        self
    }

    /// Runs `tool` so many times in a new home, one after the other.
    ///
    /// # Errors
    /// A run failed; with what it said.
    pub(crate) fn run(&self, tool: &Tool, times: usize) -> Result<Vec<Sample>, String> {
        let mut program = Program::new();
        if tool.kind == Kind::Tranship && !self.configuration.is_empty() {
            program.configure(&self.configuration);
        }
        tool.prepare(&mut program, &self.transport, &self.task);
        let command = tool.command(&self.task, &self.transport, &program.path("layout"));
        stopwatch::time(&program, &command, times, LIMIT)
    }
}

impl Bench {
    /// One size for figures, another one to see that it works.
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Whether it was told to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Lets all tools do a work in turn, each `times` in a run, and keeps the medians; then counts what they ask.
    pub(crate) fn race(&mut self, id: &'static str, work: &str, times: usize, prepare: impl Fn(Mode) -> Errand) {
        let tools = self.tools.clone();
        self.race_of(&tools, id, work, times, prepare);
    }

    /// As [`Bench::race`], of tranship alone.
    pub(crate) fn alone(&mut self, id: &'static str, work: &str, prepare: impl Fn(Mode) -> Errand) {
        let own = self.tools[..1].to_vec();
        self.race_of(&own, id, work, 1, prepare);
    }

    fn race_of(
        &mut self,
        tools: &[Tool],
        id: &'static str,
        work: &str,
        times: usize,
        prepare: impl Fn(Mode) -> Errand,
    ) {
        let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); tools.len()];
        let mut failed = vec![None; tools.len()];
        for _ in 0..self.runs {
            for (index, tool) in tools.iter().enumerate() {
                if self.is_stopped() {
                    return;
                }
                if failed[index].is_none() {
                    match prepare(Mode::Timed).run(tool, times) {
                        Ok(taken) => samples[index].extend(taken),
                        Err(error) => failed[index] = Some(error),
                    }
                }
            }
        }
        for ((tool, samples), failed) in tools.iter().zip(&samples).zip(failed) {
            if let Some(error) = failed {
                self.results.gaps.push(format!("{id} {work}, {tool}: {error}"));
            } else {
                let mut row = Row::of(id, work, tool, samples);
                count(tool, &prepare, &mut row);
                self.results.rows.push(row);
            }
        }
    }
}

/// Counts requests and bytes in a run of its own, where it has relays.
fn count(tool: &Tool, prepare: &impl Fn(Mode) -> Errand, row: &mut Row) {
    let errand = prepare(Mode::Counted);
    if !errand.relays.is_empty() && errand.run(tool, 1).is_ok() {
        row.requests = Some(errand.relays.iter().map(|relay| relay.lines().len()).sum());
        row.bytes = Some(errand.relays.iter().map(|relay| relay.uploaded() + relay.downloaded()).sum());
    }
}

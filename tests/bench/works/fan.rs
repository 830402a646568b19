//! Several destinations: one read of the source for all of them, and none that waits for another.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use super::{KIB, MIB, figure, shown};
use crate::results::{Bound, median};
use crate::support::docker_registry::DockerRegistry;
use crate::support::program::Program;
use crate::support::relay::{Line, Relay};
use crate::tasks::{Name, Task, Transport};
use crate::trial::{Bench, Errand};
use crate::warehouse;

/// What one connection of the source gives in a second, so that the machine is not the limit.
const SOURCE: u64 = 8_000_000;

/// P15: four destinations beside one.
pub(super) fn several_destinations(bench: &mut Bench) {
    let source = DockerRegistry::open();
    let layer = bench.size(12 * MIB, 64 * KIB);
    let stored = warehouse::put(&source, "app", &["v0".to_owned()], &[layer; 6]);
    let works = [1, 4].map(|count| (count, format!("copy 6 × {} to {count}, 8 MB/s in each connection", shown(layer))));
    for (count, work) in &works {
        bench.alone("P15", work, |_| {
            let relay = Relay::over(source.address(), Line { rate: Some(SOURCE), ..Line::default() });
            let held: Vec<DockerRegistry> = (0..*count).map(|_| DockerRegistry::open()).collect();
            let names = held.iter().map(|registry| Name::new(registry.address(), "app", "v0")).collect();
            let task = Task::Copy(Name::new(relay.address(), "app", "v0"), names);
            Errand { relays: vec![relay], held, ..Errand::plain(task) }
        });
    }
    let [one, four] = works.map(|(_, work)| bench.results.own("P15", &work).cloned());
    let (Some(one), Some(four)) = (one, four) else { return };
    let bytes = four.bytes.map(|bytes| figure(bytes) / figure(stored.size));
    bench.results.goal_of("P15", "bytes of the source, of the image's", bytes, Bound::AtMost(1.001));
    let wall = four.wall.as_secs_f64() / one.wall.as_secs_f64();
    bench.results.goal("P15", "wall time of one destination", wall, Bound::AtMost(1.3));
}

/// P18: seven destinations beside one that takes connections and never answers.
pub(super) fn dead_destination(bench: &mut Bench) {
    let source = DockerRegistry::open();
    let layers = [bench.size(4 * MIB, 16 * KIB); 4];
    warehouse::put(&source, "app", &["v0".to_owned()], &layers);
    let (mut healthy, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..bench.runs {
        if bench.is_stopped() {
            return;
        }
        healthy.extend(others_done(bench, &source, None));
        let dead = Dead::start();
        beside.extend(others_done(bench, &source, Some(&dead)));
    }
    if healthy.is_empty() || beside.is_empty() {
        bench.results.gaps.push("P18: not every healthy destination got the image".to_owned());
        return;
    }
    let ratio = median(beside).as_secs_f64() / median(healthy).as_secs_f64();
    bench.results.goal("P18", "time of seven destinations, beside a dead one", ratio, Bound::AtMost(1.05));
}

/// How long it takes until seven destinations have the image: by the files in which they keep the tag.
fn others_done(bench: &Bench, source: &DockerRegistry, dead: Option<&Dead>) -> Option<Duration> {
    let others: Vec<DockerRegistry> = (0..7).map(|_| DockerRegistry::open()).collect();
    let addresses = dead.iter().map(|dead| dead.address.as_str()).chain(others.iter().map(DockerRegistry::address));
    let names = addresses.map(|address| Name::new(address, "app", "v0")).collect();
    let task = Task::Copy(Name::new(source.address(), "app", "v0"), names);
    let mut command = bench.tools[0].command(&task, &Transport::Plain, "");
    command.extend(["--timeout", "4s", "--retries", "0"].map(str::to_owned));
    let words: Vec<&str> = command[1..].iter().map(String::as_str).collect();
    let begun = SystemTime::now();
    Program::new().invoke_other(&command[0], &words).run();
    let tagged = |registry| warehouse::tag_file(registry, "app", "v0").metadata().ok()?.modified().ok();
    let last = others.iter().map(tagged).collect::<Option<Vec<_>>>()?.into_iter().max()?;
    last.duration_since(begun).ok()
}

/// A server that takes connections and never answers. It ends when it is dropped.
struct Dead {
    address: String,
    ending: mpsc::Sender<()>,
}

impl Dead {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (ending, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for client in listener.incoming().map_while(Result::ok) {
                if ended.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
                    return;
                }
                held.push(client);
            }
        });
        Self { address, ending }
    }
}

impl Drop for Dead {
    fn drop(&mut self) {
        self.ending = mpsc::channel().0;
        // Wakes the thread that waits for connections, so that it sees the end.
        let _ = TcpStream::connect(&self.address);
    }
}

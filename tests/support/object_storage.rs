//! An S3 server that nobody of us wrote: moto's, one for all tests, a bucket for each.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::program::Program;
use super::push::block_on;
use super::served::Served;

/// Serves until its standard input ends, which is when the tests do, however they end.
const SCRIPT: &str = "
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger('werkzeug').setLevel(logging.ERROR)
server = ThreadedMotoServer('127.0.0.1', 0, verbose=False)
server.start()
print('%s:%d' % server.get_host_and_port(), flush=True)
sys.stdin.read()
server.stop()
";

/// The python that has moto: of the environment that `tests/run` makes, else the one on PATH.
pub(crate) fn python() -> PathBuf {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/moto/bin/python3");
    if made.is_file() { made } else { "python3".into() }
}

/// Where the server is; it is started when it is first needed.
fn server() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut command = Command::new(python());
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        assert!(address.contains(':'), "the S3 server does not start");
        // Its standard input stays open as long as this process lives.
        std::mem::forget(child);
        address.trim().to_owned()
    })
}

/// Gives a program what opens every bucket there.
pub(crate) fn let_in(program: &mut Program) {
    for (name, value) in [("ACCESS_KEY_ID", "tests"), ("SECRET_ACCESS_KEY", "tests"), ("REGION", "us-east-1")] {
        program.set(&format!("AWS_{name}"), value);
    }
}

/// An empty bucket.
pub(crate) struct Bucket {
    name: String,
}

impl Bucket {
    /// A new one.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let bucket = Self { name: format!("bucket-{}", COUNT.fetch_add(1, Ordering::Relaxed)) };
        block_on(reqwest::Client::new().put(bucket.url()).send()).unwrap().error_for_status().unwrap();
        bucket
    }

    /// The flags with which `tranship serve` stands on it.
    pub(crate) fn flags(&self) -> Vec<String> {
        let (storage, endpoint) = (format!("s3://{}/site", self.name), format!("http://{}", server()));
        ["--storage", &storage, "--storage-endpoint", &endpoint].map(str::to_owned).to_vec()
    }

    /// A server on it.
    pub(crate) fn served_by(&self, program: &Program) -> Served {
        let flags = self.flags();
        Served::with(program, &flags.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The keys of what is in it.
    pub(crate) fn keys(&self) -> Vec<String> {
        let url = format!("{}?list-type=2", self.url());
        let text = block_on(async { reqwest::get(url).await?.text().await }).unwrap();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.map(|(key, _)| key.trim_start_matches("site/").to_owned()).collect()
    }

    /// An object as text.
    pub(crate) fn object(&self, key: &str) -> String {
        let url = format!("{}/site/{key}", self.url());
        // Whom it lets in it does not look at, as long as somebody is named.
        let named =
            "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let request = reqwest::Client::new().get(url).header("Authorization", named);
        block_on(async { request.send().await?.text().await }).unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/{}", server(), self.name)
    }
}

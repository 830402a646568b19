//! Brings the bytes of layers from a place to threads that read them.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::Error;
use crate::compression::{Compression, Limits, Unpacked, unpack};
use crate::files::Scratch;
use crate::image::{Algorithm, Descriptor, Digest, Hasher};
use crate::layer::LayerError;
#[cfg(unix)]
use crate::layer::{Attributes, Content, DirectorySink, Existing, MemberPath, Sink as _};
use crate::progress::{Arrival, BlobId, Event, Progress};
use crate::registry::{self, ErrorKind, Verifier};
use crate::transfer::{self, Source};

/// How many pieces wait for a reader: enough that neither side waits for the other all the time.
const WAITING: usize = 2;

/// Opens blobs for threads that may block, and keeps what had to travel.
pub struct Fetching {
    /// Where the blobs are; the last is that of all further ones.
    sources: Vec<Source>,
    handle: Handle,
    spool: PathBuf,
    progress: Arc<dyn Progress>,
    kept: Mutex<HashMap<Digest, Kept>>,
    travels: AtomicU64,
}

/// A blob on this computer's disk, which was verified.
#[derive(Clone)]
struct Kept {
    scratch: Arc<Scratch>,
    length: u64,
}

/// A blob that is being read, unpacked. Its digest is known to be right once [`Opened::finish`] said so.
pub struct Opened {
    unpacked: Unpacked,
    verified: Arc<AtomicBool>,
    digest: Digest,
}

impl Fetching {
    /// Opens blobs of `source`. To be called where the program's own tasks run.
    #[must_use]
    pub fn new(source: &Source, spool: &Path, progress: Arc<dyn Progress>) -> Self {
        Self::of_each(vec![source.clone()], spool, progress)
    }

    /// Opens blobs, each of its own source.
    #[must_use]
    pub fn of_each(sources: Vec<Source>, spool: &Path, progress: Arc<dyn Progress>) -> Self {
        Self {
            sources,
            handle: Handle::current(),
            spool: spool.to_owned(),
            progress,
            kept: Mutex::default(),
            travels: AtomicU64::new(0),
        }
    }

    /// Opens a blob and unpacks it. Blocks the thread.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(self: &Arc<Self>, blob: &Descriptor) -> Result<Opened, Error> {
        self.open_at(0, blob)
    }

    /// Opens a blob of the source of this number. Blocks the thread.
    ///
    /// # Errors
    /// As [`Fetching::open`].
    pub fn open_at(self: &Arc<Self>, number: usize, blob: &Descriptor) -> Result<Opened, Error> {
        let verified = Arc::new(AtomicBool::new(false));
        let failed = |error| Error::of_layer(&blob.digest, LayerError::Read(error));
        let reader: Box<dyn Read + Send> = match self.kept(&blob.digest) {
            Some(kept) => Box::new(FromDisk { kept, position: 0, verified: Arc::clone(&verified) }),
            None => Box::new(self.pipe(&self.sources[number], blob, &verified).map_err(failed)?),
        };
        let unpacked = unpack(reader, Limits::DEFAULT).map_err(failed)?;
        Ok(Opened { unpacked, verified, digest: blob.digest.clone() })
    }

    /// Reads a layer, compares it with its digest, and says the digest of the archive in it.
    ///
    /// # Errors
    /// It cannot be read, or is not what its digest says.
    pub async fn diff_id(fetching: &Arc<Self>, blob: &Descriptor) -> Result<Digest, Error> {
        on_thread(fetching, blob, |fetching, blob| {
            let mut opened = fetching.open(blob)?;
            let mut hasher = Hasher::new(Algorithm::Sha256);
            let failed = |error| Error::of_layer(&blob.digest, LayerError::Read(error));
            each_piece(&mut opened, |piece| {
                hasher.update(piece);
                Ok(())
            })
            .map_err(failed)?;
            opened.finish()?;
            Ok(hasher.finish())
        })
        .await
    }

    /// Reads a blob as it is and compares it with its digest.
    ///
    /// # Errors
    /// It cannot be read, or is not what its digest says.
    pub async fn verify(fetching: &Arc<Self>, blob: &Descriptor) -> Result<(), Error> {
        Self::copy(fetching, blob, io::sink()).await.map(drop)
    }

    /// Writes a blob as it is, and gives the writer back once all of it was right.
    ///
    /// # Errors
    /// It cannot be read or written, or is not what its digest says.
    pub async fn copy<W: Write + Send + 'static>(
        fetching: &Arc<Self>,
        blob: &Descriptor,
        mut writer: W,
    ) -> Result<W, Error> {
        on_thread(fetching, blob, move |fetching, blob| {
            let mut unwritten = None;
            let copied = fetching.raw(blob).and_then(|mut reader| {
                each_piece(&mut reader, |piece| {
                    writer.write_all(piece).map_err(|error| {
                        unwritten = Some(error);
                        io::ErrorKind::Other.into()
                    })
                })
            });
            match (unwritten, copied) {
                (Some(source), _) => Err(Error::Output(LayerError::Write { name: None, source })),
                (None, Err(error)) => Err(Error::of_layer(&blob.digest, LayerError::Read(error))),
                (None, Ok(())) => Ok(writer),
            }
        })
        .await
    }

    /// Puts a blob into a directory as a file, under a name beneath it; nothing is there before all of it was right.
    ///
    /// # Errors
    /// As [`Fetching::copy`]; a file is there already.
    #[cfg(unix)]
    pub async fn save(
        fetching: &Arc<Self>,
        blob: &Descriptor,
        path: &MemberPath,
        directory: PathBuf,
        overwrite: bool,
    ) -> Result<(), Error> {
        // What travelled is on disk then, and what did not is read twice.
        Self::verify(fetching, blob).await?;
        let path = path.clone();
        on_thread(fetching, blob, move |fetching, blob| {
            let existing = if overwrite { Existing::Replaced } else { Existing::Refused };
            let mut sink = DirectorySink::open(&directory, existing).map_err(Error::Output)?;
            for ancestor in path.ancestors() {
                sink.directory(&ancestor, None).map_err(Error::Output)?;
            }
            let read = |error| Error::of_layer(&blob.digest, LayerError::Read(error));
            let mut reader = fetching.raw(blob).map_err(read)?;
            let content = Content { stored: blob.size, sparse: None };
            let attributes = Attributes::of_new_file();
            let put = sink.file(&path, &attributes, &content, &mut reader);
            put.map_err(|error| Error::of_layer(&blob.digest, error))?;
            sink.finish().map(drop).map_err(Error::Output)
        })
        .await
    }

    /// A blob as it is; the end comes only where all of it was right.
    fn raw(self: &Arc<Self>, blob: &Descriptor) -> io::Result<Box<dyn Read + Send>> {
        let verified = Arc::new(AtomicBool::new(false));
        Ok(match self.kept(&blob.digest) {
            Some(kept) => Box::new(FromDisk { kept, position: 0, verified }),
            None => Box::new(self.pipe(&self.sources[0], blob, &verified)?),
        })
    }

    fn kept(&self, digest: &Digest) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned()
    }

    fn pipe(self: &Arc<Self>, source: &Source, blob: &Descriptor, verified: &Arc<AtomicBool>) -> io::Result<Pipe> {
        let (sender, pieces) = mpsc::channel(WAITING);
        self.handle.spawn(feed(Arc::clone(self), source.clone(), blob.clone(), sender));
        let travels = !source.registry.identity().local;
        let scratch = travels.then(|| Scratch::create(&self.spool)).transpose().map_err(io::Error::other)?;
        let scratch = scratch.map(Arc::new);
        Ok(Pipe {
            fetching: Arc::clone(self),
            digest: blob.digest.clone(),
            pieces,
            piece: Bytes::new(),
            position: 0,
            scratch,
            verified: Arc::clone(verified),
        })
    }
}

/// Does work on a blob that blocks on a thread of its own.
async fn on_thread<T: Send + 'static>(
    fetching: &Arc<Fetching>,
    blob: &Descriptor,
    work: impl FnOnce(&Arc<Fetching>, &Descriptor) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (fetching, blob) = (Arc::clone(fetching), blob.clone());
    tokio::task::spawn_blocking(move || work(&fetching, &blob)).await.unwrap_or(Err(Error::BrokenOff))
}

/// Reads to the end, piece by piece.
fn each_piece(reader: &mut dyn Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads a blob and hands its pieces over; an empty one once all of it is known to be right.
async fn feed(
    fetching: Arc<Fetching>,
    source: Source,
    blob: Descriptor,
    pieces: mpsc::Sender<registry::Result<Bytes>>,
) {
    let id = BlobId(fetching.travels.fetch_add(1, Ordering::Relaxed));
    let Descriptor { digest, size, .. } = &blob;
    fetching.progress.observe(&Event::BlobStarted { id, digest: digest.clone(), size: *size, offset: 0 });
    let mut reader = transfer::read(&source, &blob, &fetching.progress);
    let mut verifier = Verifier::new(&blob);
    let how = loop {
        let piece = match reader.next().await {
            Ok(Some(piece)) => verifier.update(&piece).map(|()| piece),
            Ok(None) => {
                break match verifier.finish() {
                    Ok(()) => {
                        let _ = pieces.send(Ok(Bytes::new())).await;
                        Arrival::Sent
                    }
                    Err(error) => {
                        let _ = pieces.send(Err(error)).await;
                        Arrival::Failed
                    }
                };
            }
            Err(error) => Err(error),
        };
        let length = piece.as_ref().map_or(0, Bytes::len) as u64;
        let failed = piece.is_err();
        // Whoever needs no more has gone.
        if pieces.send(piece).await.is_err() {
            break Arrival::Present;
        }
        if failed {
            break Arrival::Failed;
        }
        fetching.progress.observe(&Event::BlobAdvanced { id, bytes: length });
    };
    fetching.progress.observe(&Event::BlobFinished { id, digest: digest.clone(), size: *size, how });
}

/// The reader's end.
struct Pipe {
    fetching: Arc<Fetching>,
    digest: Digest,
    pieces: mpsc::Receiver<registry::Result<Bytes>>,
    piece: Bytes,
    position: u64,
    scratch: Option<Arc<Scratch>>,
    verified: Arc<AtomicBool>,
}

impl Pipe {
    /// Waits for the next piece; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.verified.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let lost = || registry::Error::new(ErrorKind::Cut, "the reading of a blob was broken off");
        let piece = self.pieces.blocking_recv().unwrap_or_else(|| Err(lost())).map_err(io::Error::other)?;
        if piece.is_empty() {
            self.verified.store(true, Ordering::Relaxed);
            if let Some(scratch) = self.scratch.take() {
                let mut kept = self.fetching.kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.insert(self.digest.clone(), Kept { scratch, length: self.position });
            }
            return Ok(false);
        }
        if let Some(scratch) = &self.scratch {
            scratch.write_at(self.position, &piece)?;
        }
        self.position += piece.len() as u64;
        self.piece = piece;
        Ok(true)
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && !self.fill()? {
            return Ok(0);
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

/// A blob that was read before.
struct FromDisk {
    kept: Kept,
    position: u64,
    verified: Arc<AtomicBool>,
}

impl Read for FromDisk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.kept.length - self.position;
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        if left == 0 {
            self.verified.store(true, Ordering::Relaxed);
        }
        self.kept.scratch.read_at(self.position, &mut buffer[..count])?;
        self.position += count as u64;
        Ok(count)
    }
}

impl Opened {
    /// What it is packed with.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.unpacked.compression()
    }

    /// Reads what is left, and makes sure that all of it was right.
    ///
    /// # Errors
    /// It was not, or cannot be read.
    pub fn finish(mut self) -> Result<(), Error> {
        let failed = |error| Error::of_layer(&self.digest, LayerError::Read(error));
        io::copy(&mut self.unpacked, &mut io::sink()).map_err(failed)?;
        if self.verified.load(Ordering::Relaxed) {
            return Ok(());
        }
        let behind = LayerError::Archive("something lies behind what is packed".to_owned());
        Err(Error::of_layer(&self.digest, behind))
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.unpacked.read(buffer)
    }
}

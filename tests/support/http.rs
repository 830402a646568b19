//! HTTP/1.1 as bytes: heads and bodies, read and written without opinion, so that servers can misbehave.

use std::io::{self, BufRead, Read, Write};

/// The first line and the headers of a message.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head; `None` where the connection ended before one began.
    pub(crate) fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut first_line = String::new();
        if reader.read_line(&mut first_line)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => return Ok(Some(Self { first_line: first_line.trim_end().to_owned(), headers })),
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        // As one piece: a head in several would wait for acknowledgements.
        let mut text = format!("{}\r\n", self.first_line).into_bytes();
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n")?;
        }
        text.extend_from_slice(b"\r\n");
        writer.write_all(&text)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// The word of the first line at `index`: method and target of a request, status of an answer.
    pub(crate) fn word(&self, index: usize) -> &str {
        self.first_line.split(' ').nth(index).unwrap_or_default()
    }

    fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    }

    pub(crate) fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// How the body of this request is delimited.
    pub(crate) fn request_framing(&self) -> Framing {
        if self.is_chunked() { Framing::Chunked } else { Framing::Length(self.length().unwrap_or(0)) }
    }

    /// How the body of this answer to `method` is delimited.
    pub(crate) fn answer_framing(&self, method: &str) -> Framing {
        match (method, self.word(1)) {
            ("HEAD", _) | (_, "204" | "304") => Framing::Length(0),
            _ if self.is_chunked() => Framing::Chunked,
            _ => self.length().map_or(Framing::UntilClose, Framing::Length),
        }
    }
}

/// The first header of this name.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl Framing {
    /// Reads a body, handing it over piece by piece; stops early where `take` says `false`.
    pub(crate) fn read(self, reader: &mut impl BufRead, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
        match self {
            Self::Length(length) => read_pieces(reader, length, &mut take).map(drop),
            Self::UntilClose => read_pieces(reader, u64::MAX, &mut take).map(drop).or_else(ended),
            Self::Chunked => loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                let size = line.trim().split(';').next().unwrap_or_default();
                let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
                let goes_on = read_pieces(reader, size, &mut take)?;
                reader.read_line(&mut String::new())?;
                if size == 0 || !goes_on {
                    return Ok(());
                }
            },
        }
    }

    /// Copies a body as it stands, with whatever delimits it.
    pub(crate) fn copy(self, reader: &mut impl BufRead, writer: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Length(length) => io::copy(&mut reader.take(length), writer).map(drop),
            Self::UntilClose => io::copy(reader, writer).map(drop),
            Self::Chunked => {
                self.read(reader, |piece| {
                    write!(writer, "{:x}\r\n", piece.len()).is_ok()
                        && writer.write_all(piece).is_ok()
                        && writer.write_all(b"\r\n").is_ok()
                })?;
                writer.write_all(b"0\r\n\r\n")
            }
        }
    }
}

fn ended(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::UnexpectedEof { Ok(()) } else { Err(error) }
}

/// Reads `length` bytes; whether `take` wants more.
fn read_pieces(reader: &mut impl Read, mut length: u64, take: &mut impl FnMut(&[u8]) -> bool) -> io::Result<bool> {
    let mut buffer = vec![0; 64 * 1024];
    while length > 0 {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(buffer.len());
        let read = reader.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length -= read as u64;
        if !take(&buffer[..read]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads `key=value&…`, decoded.
pub(crate) fn form(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

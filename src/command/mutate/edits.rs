//! What `mutate` changes in the documents of an image.

use clap::Args;

use crate::command::index::pair;
use crate::draft::{Change, ChangeError, command};
use crate::image::{Annotations, Platform};

/// What the documents say.
#[derive(Args, Debug)]
#[command(next_help_heading = "What it says")]
pub(super) struct EditFlags {
    /// Set a variable (repeatable)
    #[arg(short, long = "env", value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,

    /// Remove a variable (repeatable)
    #[arg(long, value_name = "KEY")]
    unset_env: Vec<String>,

    /// Set a label (repeatable)
    #[arg(short, long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    labels: Vec<(String, String)>,

    /// Remove a label (repeatable)
    #[arg(long = "remove-label", value_name = "KEY")]
    removed_labels: Vec<String>,

    /// Set a note on the manifest, and on the index where there is one (repeatable)
    #[arg(short, long = "annotation", value_name = "KEY=VALUE", value_parser = pair)]
    annotations: Vec<(String, String)>,

    /// Remove a note (repeatable)
    #[arg(long = "remove-annotation", value_name = "KEY")]
    removed_annotations: Vec<String>,

    /// What is always run: a JSON list, or a line for the shell; "" for nothing
    #[arg(long, value_name = "COMMAND")]
    entrypoint: Option<String>,

    /// What is run unless something else is asked for, in the same form
    #[arg(long, value_name = "COMMAND")]
    cmd: Option<String>,

    /// As whom it runs
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,

    /// Where it runs
    #[arg(short, long, value_name = "PATH")]
    workdir: Option<String>,

    /// A port that it listens on, e.g. 80 or 53/udp (repeatable)
    #[arg(long = "expose", value_name = "PORT")]
    ports: Vec<String>,

    /// A place for files that are not part of the image (repeatable)
    #[arg(long = "volume", value_name = "PATH")]
    volumes: Vec<String>,

    /// How it is told to end
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<String>,

    /// A Dockerfile instruction for the config, e.g. 'HEALTHCHECK NONE' (repeatable)
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,

    /// What it runs on
    #[arg(long, value_name = "PLATFORM")]
    image_platform: Option<Platform>,
}

impl EditFlags {
    /// The changes to the config, in the order in which they are made.
    pub(super) fn changes(&self) -> Result<Vec<Change>, ChangeError> {
        let words = |text: &String| if text.is_empty() { Vec::new() } else { command(text) };
        let mut all = Vec::new();
        all.extend(self.entrypoint.iter().map(|text| Change::Entrypoint(words(text))));
        all.extend(self.cmd.iter().map(|text| Change::Cmd(words(text))));
        all.extend(self.env.iter().map(|(key, value)| Change::Env(key.clone(), value.clone())));
        all.extend(self.unset_env.iter().cloned().map(Change::Unset));
        all.extend(self.labels.iter().map(|(key, value)| Change::Label(key.clone(), Some(value.clone()))));
        all.extend(self.removed_labels.iter().map(|key| Change::Label(key.clone(), None)));
        all.extend(self.user.iter().cloned().map(Change::User));
        all.extend(self.workdir.iter().cloned().map(Change::WorkingDirectory));
        all.extend(self.volumes.iter().cloned().map(Change::Volume));
        all.extend(self.stop_signal.iter().cloned().map(Change::StopSignal));
        for port in &self.ports {
            all.extend(Change::parse(&format!("EXPOSE {port}"))?);
        }
        for text in &self.changes {
            all.extend(Change::parse(text)?);
        }
        Ok(all)
    }

    /// Changes notes.
    pub(super) fn annotate(&self, notes: &mut Annotations) {
        notes.extend(self.annotations.iter().cloned());
        self.removed_annotations.iter().for_each(|key| drop(notes.remove(key)));
    }

    /// What it is to run on.
    pub(super) const fn image_platform(&self) -> Option<&Platform> {
        self.image_platform.as_ref()
    }
}

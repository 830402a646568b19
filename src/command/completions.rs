//! `completions`: the script that teaches a shell to complete tranship's words.

use clap::Args;
use clap_complete::Shell;
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Zsh};

use super::{CommandError, CommandResult, Outcome, cannot};
use crate::failure::FailureKind;
use crate::session::Session;

/// Bash takes a colon for the end of a word, so it would hand over `5000/app` in place of `localhost:5000/app`.
const WHOLE_REFERENCES: &str =
    "\n# A reference with its port and tag is one word.\nCOMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n";

/// Flags of `completions`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  $ tranship completions bash > /etc/bash_completion.d/tranship\n  \
    $ source <(tranship completions zsh)\n\n\
    The script asks tranship itself for the words, so that configured registries, vaults, secrets,\n\
    the tags of a repository and the images of the store are offered too.")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// There is no completion for the shell.
pub(super) fn run(args: &CompletionsArgs, session: &Session) -> CommandResult {
    let completer: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Elvish => &Elvish,
        Shell::Fish => &Fish,
        Shell::PowerShell => &Powershell,
        Shell::Zsh => &Zsh,
        other => {
            return Err(CommandError::plain(FailureKind::Usage, format!("there are no completions for {other}")));
        }
    };
    let mut script = Vec::new();
    completer
        .write_registration("COMPLETE", "tranship", "tranship", "tranship", &mut script)
        .map_err(|error| CommandError::plain(FailureKind::Failed, format!("cannot write the script: {error}")))?;
    if args.shell == Shell::Bash {
        script.extend_from_slice(WHOLE_REFERENCES.as_bytes());
    }
    session.console().write(&script).map_err(cannot("write the script"))?;
    Ok(Outcome::printed())
}

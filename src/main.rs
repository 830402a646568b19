//! The program: hands the words to the library and ends with its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    tranship::cli::run(std::env::args_os())
}

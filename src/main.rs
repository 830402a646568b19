//! The program: hands the words to the library and ends with its exit code.

fn main() {}

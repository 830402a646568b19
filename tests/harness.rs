//! The harness proves itself: what `support` starts, answers, breaks and counts as the tests rely on.

mod images;
mod real;
mod scripted;
mod tokens;

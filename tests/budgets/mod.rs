//! How many requests, tokens and connections the program needs: exact figures, against a real registry behind a
//! counting relay and against the scripted one, open to everyone and behind a token server.

mod copying;
mod counted;
mod looking;
mod tokens;

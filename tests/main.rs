//! The integration tests: one binary, a module per capability, run against the real program and real servers.

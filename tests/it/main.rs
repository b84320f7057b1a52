//! Everything that needs a real database, a real socket or a real browser.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a long test tells what it counted")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it wants and fails on the rest"
)]

mod adapter;
mod chat;
mod evaluator;
mod live;
mod repo;
mod server;
mod support;

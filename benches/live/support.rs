//! What the tests stand on, taken as it is: a private PostgreSQL cluster, child programs.

#![expect(
    dead_code,
    unused_imports,
    reason = "a benchmark needs a part of it, and none of its tests"
)]

#[path = "../../tests/it/support/cluster.rs"]
pub(crate) mod cluster;
#[path = "../../tests/it/support/process.rs"]
pub(crate) mod process;
#[path = "../../tests/it/support/wait.rs"]
pub(crate) mod wait;

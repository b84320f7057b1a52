//! What the tests stand on: a private PostgreSQL cluster, bounded waits, a proxy that cuts
//! connections, and child programs.
//!
//! Nothing here knows Recto. **Invariant:** whatever a test starts through this module is gone
//! when the test process is gone, however it went.

pub(crate) mod cluster;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod wait;

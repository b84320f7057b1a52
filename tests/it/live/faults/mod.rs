//! Faults: whatever breaks, live results end where plain answers are, and on the way show nothing
//! but committed states.
//!
//! Each test breaks one thing and ends with [`Scene::finish`], the oracle's comparison; with plain
//! comparisons where the judge himself would see what is broken.

mod ahead;
mod bell;
mod clients;
mod connections;
mod doubt;
mod failing;
mod full;
mod glance;
mod killed;
mod late;
mod log;
mod numbers;
mod rights;
mod rows;
mod scene;
mod schema;
mod servers;
mod sqlite;
mod stumbling;
mod tables;
mod transactions;

use std::time::Duration;

use self::scene::Scene;
use self::scene::Stage;

/// The longest wait of these tests; what is waited for takes milliseconds on an idle machine.
const BOUND: Duration = Duration::from_secs(30);

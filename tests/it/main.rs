//! Everything that needs a real database, a real socket or a real browser.

mod live;
mod support;

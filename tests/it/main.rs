//! Everything that needs a real database, a real socket or a real browser.

mod chat;
mod live;
mod support;

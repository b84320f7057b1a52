//! Clients that do not read, that come in the middle of everything, and that go.

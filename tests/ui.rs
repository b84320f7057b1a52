//! What the compiler says: programs it must refuse, in words we chose, and one it must accept
//! without a warning.
//!
//! `TRYBUILD=overwrite cargo test --test ui` writes the messages anew; read them before you keep
//! them.

#[path = "ui/accepted.rs"]
mod accepted;

#[test]
fn the_compiler_says_what_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/ui/refused/*.rs");
}

//! SQL that the program writes.
//!
//! **Invariant:** the text is the program's own, `&'static str`: nothing that a client says becomes
//! SQL.

use super::ast::Tree;
use super::expr::Expr;
use super::term::Typed;
use crate::value::FromValue;

/// What fills the holes of a fragment: one thing, or a tuple.
pub trait Holes<'q> {
    /// The expressions, in order.
    fn trees(self) -> Vec<Tree>;
}

impl<'q, V: Typed<'q>> Holes<'q> for V {
    fn trees(self) -> Vec<Tree> {
        vec![self.tree()]
    }
}

impl Holes<'_> for () {
    fn trees(self) -> Vec<Tree> {
        Vec::new()
    }
}

macro_rules! holes {
    ($(($($hole:ident . $index:tt),+))*) => {$(
        impl<'q, $($hole: Typed<'q>),+> Holes<'q> for ($($hole,)+) {
            fn trees(self) -> Vec<Tree> {
                vec![$(self.$index.tree()),+]
            }
        }
    )*};
}

holes! {
    (A.0)
    (A.0, B.1)
    (A.0, B.1, C.2)
    (A.0, B.1, C.2, D.3)
    (A.0, B.1, C.2, D.3, E.4)
    (A.0, B.1, C.2, D.3, E.4, F.5)
}

/// SQL that the program writes, with a `?` for each hole (`\?` is a question mark): whatever the
/// database can do and this crate has no word for. `T` is what it holds.
///
/// It must be a function of its holes, and read no tables: the live engine sees the holes, not the
/// text. For another table there are subqueries. The same text goes to every database.
///
/// # Errors
///
/// The query is [`Invalid`](crate::ErrorKind::Invalid) when holes and fillings are not as many.
///
/// # Examples
///
/// ```
/// # recto::doctest::run(async |repo| {
/// # use recto::doctest::*;
/// use recto::prelude::*;
///
/// let bodies = from::<Message>()
///     .filter(|m| fragment::<i64>("instr(?, ?)", (m.body, "engine")).gt(0))
///     .select(|m| fragment::<String>("replace(?, 'the', 'an')", m.body));
/// assert_eq!(repo.all(bodies).await?, ["an engine weaves"]);
/// # Ok(())
/// # });
/// ```
pub fn fragment<'q, T: FromValue>(text: &'static str, holes: impl Holes<'q>) -> Expr<'q, T> {
    Expr::of(Tree::fragment(text, T::KIND, holes.trees()))
}

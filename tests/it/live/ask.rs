//! Asks a [`Question`] through the typed builder that users have.
//!
//! Columns are chosen while the test runs, so the types are chosen by the columns' kinds.

use recto::error::Result;
use recto::prelude::*;
use recto::query::Col;
use recto::query::Expr;
use recto::query::Grouping;
use recto::query::Part;
use recto::query::Sort;
use recto::query::Source;
use recto::query::Summable;
use recto::query::ast::Ast;
use recto::query::ast::Case;
use recto::query::ast::Comparison;
use recto::query::ast::Direction;
use recto::query::ast::Function;
use recto::query::ast::Nulls;
use recto::query::ast::Tree;
use recto::query::count;
use recto::query::fragment;
use recto::query::scalar;
use recto::schema::Table;
use recto::value::FromValue;
use recto::value::Kind;
use recto::value::Row;
use recto::value::ToValue;

use super::hung::Owns;
use super::kinds::Shelf;
use super::kinds::Specimen;
use super::kinds::Strip;
use super::nested;
use super::nested::Busy;
use super::nested::Step;
use super::question::At;
use super::question::Base;
use super::question::Condition;
use super::question::Question;
use super::question::Shown;
use super::question::Sorted;
use super::question::Term;
use super::world::Item;
use super::world::Owner;
use super::world::Tally;

/// The names of what is shown, since two columns of one name are refused.
const NAMES: [&str; 12] =
    ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"];

/// What is done with a term once its type is known.
trait Use<'q> {
    type Out;

    fn column<T>(self, column: Col<'q, T>) -> Self::Out
    where
        T: FromValue + 'static,
        T::Inner: ToValue;

    fn expression<T>(self, expression: Expr<'q, T>) -> Self::Out
    where
        T: FromValue + 'static,
        T::Inner: ToValue;
}

macro_rules! of_kind {
    ($kind:expr, [$($more:tt)*] $function:ident($($argument:expr),*)) => {
        match $kind {
            Kind::Bool => $function::<bool $($more)*>($($argument),*),
            Kind::I16 => $function::<i16 $($more)*>($($argument),*),
            Kind::I32 => $function::<i32 $($more)*>($($argument),*),
            Kind::I64 => $function::<i64 $($more)*>($($argument),*),
            Kind::F32 => $function::<f32 $($more)*>($($argument),*),
            Kind::F64 => $function::<f64 $($more)*>($($argument),*),
            Kind::Text => $function::<String $($more)*>($($argument),*),
            Kind::Bytes => $function::<Vec<u8> $($more)*>($($argument),*),
            Kind::Uuid => $function::<Uuid $($more)*>($($argument),*),
            Kind::Decimal => $function::<Decimal $($more)*>($($argument),*),
            Kind::Date => $function::<Date $($more)*>($($argument),*),
            Kind::Time => $function::<Time $($more)*>($($argument),*),
            Kind::Timestamp => $function::<Timestamp $($more)*>($($argument),*),
            Kind::Json => $function::<Json $($more)*>($($argument),*),
            Kind::Array(Kind::I32) => $function::<Vec<i32> $($more)*>($($argument),*),
            Kind::Array(Kind::Text) => $function::<Vec<String> $($more)*>($($argument),*),
            other => panic!("a kind the oracle does not know: {other}"),
        }
    };
}

fn col<'q, T>(at: At) -> Col<'q, Option<T>> {
    Col::new(at.source, at.column)
}

fn with_column<'q, T, U: Use<'q>>(at: At, uses: U) -> U::Out
where
    T: FromValue<Inner = T> + ToValue + 'static,
{
    uses.column(col::<T>(at))
}

fn with_ordered<'q, T, U: Use<'q>>(function: Function, at: At, uses: U) -> U::Out
where
    T: FromValue<Inner = T> + ToValue + 'static,
{
    let of = col::<T>(at);
    match function {
        Function::Count => uses.expression(of.count()),
        Function::CountDistinct => uses.expression(of.count_distinct()),
        Function::Min => uses.expression(of.min()),
        Function::Max => uses.expression(of.max()),
        Function::Sum | Function::Avg => panic!("sums have a function of their own"),
    }
}

fn with_total<'q, T, U: Use<'q>>(function: Function, at: At, uses: U) -> U::Out
where
    T: FromValue<Inner = T> + Summable + 'static,
    T::Sum: ToValue + 'static,
    T::Avg: ToValue + 'static,
{
    let of = col::<T>(at);
    if function == Function::Sum { uses.expression(of.sum()) } else { uses.expression(of.avg()) }
}

fn with_term<'q, U: Use<'q>>(term: Term, uses: U) -> U::Out {
    match term {
        Term::Column(at) => of_kind!(at.kind, [, _] with_column(at, uses)),
        Term::Count => uses.expression(count()),
        Term::Of(function @ (Function::Sum | Function::Avg), at) => match at.kind {
            Kind::I16 => with_total::<i16, U>(function, at, uses),
            Kind::I32 => with_total::<i32, U>(function, at, uses),
            Kind::I64 => with_total::<i64, U>(function, at, uses),
            Kind::F64 => with_total::<f64, U>(function, at, uses),
            Kind::Decimal => with_total::<Decimal, U>(function, at, uses),
            other => panic!("{other} does not add up"),
        },
        Term::Of(function, at) => of_kind!(at.kind, [, _] with_ordered(function, at, uses)),
    }
}

struct Compared<'v>(Comparison, &'v Value);

macro_rules! compared {
    ($self:ident, $left:ident, $type:ty) => {{
        let value = <$type>::from_value($self.1).unwrap();
        match $self.0 {
            Comparison::Eq => $left.eq(value),
            Comparison::Ne => $left.ne(value),
            Comparison::Lt => $left.lt(value),
            Comparison::Le => $left.le(value),
            Comparison::Gt => $left.gt(value),
            Comparison::Ge => $left.ge(value),
        }
    }};
}

impl<'q> Use<'q> for Compared<'_> {
    type Out = Expr<'q, bool>;

    fn column<T>(self, column: Col<'q, T>) -> Expr<'q, bool>
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        compared!(self, column, T::Inner)
    }

    fn expression<T>(self, expression: Expr<'q, T>) -> Expr<'q, bool>
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        compared!(self, expression, T::Inner)
    }
}

macro_rules! sorted {
    ($self:ident, $term:ident) => {{
        let sort = match $self.direction {
            Direction::Ascending => $term.asc(),
            Direction::Descending => $term.desc(),
        };
        match $self.nulls {
            None => sort,
            Some(Nulls::First) => sort.nulls_first(),
            Some(Nulls::Last) => sort.nulls_last(),
        }
    }};
}

impl<'q> Use<'q> for Sorted {
    type Out = Sort<'q>;

    fn column<T>(self, column: Col<'q, T>) -> Sort<'q>
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        sorted!(self, column)
    }

    fn expression<T>(self, expression: Expr<'q, T>) -> Sort<'q>
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        sorted!(self, expression)
    }
}

/// Adds a term to a selection, under a name.
struct Named<'a>(&'a mut Ast, &'static str);

impl<'q> Use<'q> for Named<'_> {
    type Out = ();

    fn column<T>(self, column: Col<'q, T>)
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        column.named(self.1).add(self.0);
    }

    fn expression<T>(self, expression: Expr<'q, T>)
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        expression.named(self.1).add(self.0);
    }
}

struct Selected(Vec<Term>);

impl Part<'_> for Selected {
    type Out = Row;

    fn add(self, ast: &mut Ast) {
        for (term, name) in self.0.into_iter().zip(NAMES) {
            with_term(term, Named(&mut *ast, name));
        }
    }

    fn read(values: &mut &[Value]) -> Result<Row> {
        Ok(std::mem::take(values).to_vec().into())
    }
}

struct Grouped(Vec<At>);

struct Trees;

impl<'q> Use<'q> for Trees {
    type Out = Vec<Tree>;

    fn column<T>(self, column: Col<'q, T>) -> Vec<Tree>
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        column.trees()
    }

    fn expression<T>(self, expression: Expr<'q, T>) -> Vec<Tree>
    where
        T: FromValue + 'static,
        T::Inner: ToValue,
    {
        expression.trees()
    }
}

impl Grouping<'_> for Grouped {
    fn trees(self) -> Vec<Tree> {
        self.0.into_iter().flat_map(|at| with_term(Term::Column(at), Trees)).collect()
    }
}

fn beside<'q, T>(left: At, op: Comparison, right: At) -> Expr<'q, bool>
where
    T: FromValue<Inner = T> + ToValue + 'static,
{
    let (left, right) = (col::<T>(left), col::<T>(right));
    match op {
        Comparison::Eq => left.eq(right),
        Comparison::Ne => left.ne(right),
        Comparison::Lt => left.lt(right),
        Comparison::Le => left.le(right),
        Comparison::Gt => left.gt(right),
        Comparison::Ge => left.ge(right),
    }
}

fn one_of<'q, T>(at: At, values: &[Value]) -> Expr<'q, bool>
where
    T: FromValue<Inner = T> + ToValue + 'static,
{
    col::<T>(at).in_(values.iter().map(|value| T::from_value(value).unwrap()))
}

fn is_null<'q, T>(at: At) -> Expr<'q, bool>
where
    T: FromValue<Inner = T> + ToValue + 'static,
{
    col::<T>(at).is_null()
}

fn between<'q, T>(at: At, low: &Value, high: &Value) -> Expr<'q, bool>
where
    T: FromValue<Inner = T> + ToValue + 'static,
{
    col::<T>(at).between(T::from_value(low).unwrap(), T::from_value(high).unwrap())
}

fn instead_of<'q, T>(at: At, instead: &Value, compared: Compared<'_>) -> Expr<'q, bool>
where
    T: FromValue<Inner = T> + ToValue + 'static,
{
    compared.expression(col::<T>(at).coalesce(T::from_value(instead).unwrap()))
}

/// The condition on rows of a question.
pub(crate) fn condition<'q>(of: &Condition) -> Expr<'q, bool> {
    match of {
        Condition::Is(at) => col::<bool>(*at).not().not(),
        Condition::Compare(term, op, value) => with_term(*term, Compared(*op, value)),
        Condition::Columns(left, op, right) => of_kind!(left.kind, [] beside(*left, *op, *right)),
        Condition::Null(at) => of_kind!(at.kind, [] is_null(*at)),
        Condition::In(at, values) => of_kind!(at.kind, [] one_of(*at, values)),
        Condition::Like(at, Case::AsDatabase, pattern) => col::<String>(*at).like(*pattern),
        Condition::Like(at, Case::Fold, pattern) => col::<String>(*at).ilike(*pattern),
        Condition::Between(at, low, high) => of_kind!(at.kind, [] between(*at, low, high)),
        Condition::Instead(at, instead, op, value) => {
            of_kind!(at.kind, [] instead_of(*at, instead, Compared(*op, value)))
        }
        Condition::Length(at, op, length) => {
            Compared(*op, &Value::Int(*length)).expression(col::<String>(*at).length())
        }
        Condition::Lower(at, text) => col::<String>(*at).lower().eq(*text),
        Condition::Plus(at, more, op, value) => {
            Compared(*op, &Value::Int((*value).into())).expression(col::<i32>(*at) + *more)
        }
        Condition::Divides(at, by) => fragment("? % ? = 0", (col::<i32>(*at), *by)),
        Condition::Tallied(at, op, n) => {
            let tallies = from::<Tally>().filter(|t| Compared(*op, &Value::Int(*n)).column(t.n));
            col::<i64>(*at).in_query(tallies.select(|t| t.owner_id))
        }
        Condition::AboveTallies(at) => {
            col::<i64>(*at).gt(scalar(from::<Tally>().select(|t| t.n.max())))
        }
        Condition::And(both) => condition(&both[0]).and(condition(&both[1])),
        Condition::Or(both) => condition(&both[0]).or(condition(&both[1])),
        Condition::Not(of) => condition(of).not(),
    }
}

/// The part of an order.
pub(crate) fn sorted_by<'q>(sort: Sorted) -> Sort<'q> {
    with_term(sort.by, sort)
}

macro_rules! asked {
    ($name:ident, ($($source:ident: $bound:ident),+), $sources:ty, |$($row:pat_param),+|) => {
        fn $name<$($source: $bound,)+ O: Owns>(query: Query<$sources, O>, of: &Question) -> Ast {
            let mut query = query;
            for filter in &of.filters {
                query = query.filter(|$($row),+| condition(filter));
            }
            let terms = match &of.shown {
                Shown::Whole => None,
                Shown::Terms(terms) => Some(terms.clone()),
                Shown::Groups { by, terms, having } => {
                    query = query.group_by(|$($row),+| Grouped(by.clone()));
                    for having in having {
                        query = query.having(|$($row),+| condition(having));
                    }
                    Some(terms.clone())
                }
            };
            for &sort in &of.order {
                query = query.order_by(|$($row),+| sorted_by(sort));
            }
            if of.distinct {
                query = query.distinct();
            }
            if let Some(limit) = of.limit {
                query = query.limit(limit);
            }
            let mut query = query.offset(of.offset);
            for hung in &of.hung {
                query = query.preload(O::preload(hung));
            }
            match terms {
                None => query.ast().clone(),
                Some(terms) => query.select(|$($row),+| Selected(terms)).ast().clone(),
            }
        }
    };
}

asked!(one, (A: Source), A, |_|);
asked!(two, (A: Schema, B: Source), (A, B), |_, _|);
asked!(three, (A: Schema, B: Source, C: Source), (A, B, C), |_, _, _|);

/// The question as users would have built it.
pub(crate) fn ask(of: &Question) -> Ast {
    match of.base {
        Base::Items => one(from::<Item>(), of),
        Base::Owners => one(from::<Owner>(), of),
        Base::Tallies => one(from::<Tally>(), of),
        Base::Specimens => one(from::<Specimen>(), of),
        Base::Shelves => one(from::<Shelf>(), of),
        Base::Strips => one(from::<Strip>(), of),
        Base::ItemsOfOwners => two(from::<Item>().join(Item::owner), of),
        Base::ItemsPerhapsOfOwners => two(from::<Item>().left_join(Item::owner), of),
        Base::OwnersWithItems => two(from::<Owner>().join(Owner::items), of),
        Base::OwnersPerhapsWithItems => two(from::<Owner>().left_join(Owner::items), of),
        Base::OwnersWithShelvesWithSpecimens => {
            let shelves = from::<Owner>().join(Owner::shelves);
            three(shelves.join_on::<Specimen>(|_, h, s| h.specimen_code.eq(s.code)), of)
        }
        Base::OwnersPerhapsWithShelvesPerhapsWithSpecimens => {
            let shelves = from::<Owner>().left_join(Owner::shelves);
            three(shelves.left_join_on::<Specimen>(|_, h, s| h.specimen_code.eq(s.code)), of)
        }
        Base::ItemsWithTallies => {
            two(from::<Item>().join_on::<Tally>(|i, t| i.owner_id.eq(t.owner_id)), of)
        }
        Base::ShelvesPerhapsWithSpecimens => two(from::<Shelf>().left_join(Shelf::specimen), of),
        Base::SpecimensOfOwnersWithTallies => {
            let owners = from::<Specimen>().join(Specimen::owner);
            three(owners.join_on::<Tally>(|_, o, t| o.id.eq(t.owner_id).and(t.n.gt(1_i64))), of)
        }
        Base::ItemsBesideItems => two(
            from::<Item>().join_on::<Item>(|a, b| a.owner_id.eq(b.owner_id).and(a.rank.lt(b.rank))),
            of,
        ),
        Base::ItemsBelowTallies => {
            two(from::<Item>().left_join_on::<Tally>(|i, t| i.id.lt(t.n)), of)
        }
        Base::ItemsOfEither => one(nested::either(), of),
        Base::ItemsOfEitherWithRepetitions => one(nested::both_with_repetitions(), of),
        Base::ItemsInCommon => one(nested::common(), of),
        Base::ItemsOfOneWithoutTheOther => one(nested::one_without_other(), of),
        Base::OwnersOfHighItems => one(nested::owners_of_high_items(), of),
        Base::DearestItems => one(nested::dearest_items(), of),
        Base::ItemsOfTheBusy => two(nested::items_of_the_busy(), of),
        Base::UnbrokenOwners => one(nested::unbroken_owners(), of),
        Base::Shows(which) => nested::shows(which),
    }
}

/// The tables whose columns a question can speak of.
pub(crate) fn sources(of: Base) -> Vec<&'static Table> {
    match of {
        Base::Items
        | Base::ItemsOfEither
        | Base::ItemsOfEitherWithRepetitions
        | Base::ItemsInCommon
        | Base::ItemsOfOneWithoutTheOther
        | Base::DearestItems => vec![Item::table()],
        Base::Owners | Base::OwnersOfHighItems => vec![Owner::table()],
        Base::Tallies => vec![Tally::table()],
        Base::Specimens => vec![Specimen::table()],
        Base::Shelves => vec![Shelf::table()],
        Base::Strips => vec![Strip::table()],
        Base::ItemsOfOwners | Base::ItemsPerhapsOfOwners => vec![Item::table(), Owner::table()],
        Base::OwnersWithItems | Base::OwnersPerhapsWithItems => {
            vec![Owner::table(), Item::table()]
        }
        Base::OwnersWithShelvesWithSpecimens
        | Base::OwnersPerhapsWithShelvesPerhapsWithSpecimens => {
            vec![Owner::table(), Shelf::table(), Specimen::table()]
        }
        Base::ItemsWithTallies | Base::ItemsBelowTallies => vec![Item::table(), Tally::table()],
        Base::ShelvesPerhapsWithSpecimens => vec![Shelf::table(), Specimen::table()],
        Base::SpecimensOfOwnersWithTallies => {
            vec![Specimen::table(), Owner::table(), Tally::table()]
        }
        Base::ItemsBesideItems => vec![Item::table(), Item::table()],
        Base::ItemsOfTheBusy => vec![Item::table(), Busy::table()],
        Base::UnbrokenOwners => vec![Step::table()],
        Base::Shows(_) => Vec::new(),
    }
}

//! Questions over the whole query language, from dice.
//!
//! **Refusals:** what the databases themselves leave open is not asked, since no oracle could tell:
//! sums of floats that depend on the order of rows, the extremes and groups of numbers that are
//! equal and look different (`0` and `-0`, `1.5` and `1.50`), sums beyond what a column can hold.

use recto::query::ast::Case;
use recto::query::ast::Comparison;
use recto::query::ast::Direction;
use recto::query::ast::Function;
use recto::query::ast::Nulls;
use recto::schema::Assoc;
use recto::schema::Table;
use recto::value::Kind;

use super::ask::sources;
use super::dice::Dice;
use super::hung::Hung;
use super::nested::SHOWS;
use super::question::At;
use super::question::Base;
use super::question::Condition;
use super::question::Question;
use super::question::Shown;
use super::question::Sorted;
use super::question::Term;
use super::values::Backend;
use super::values::PATTERNS;
use super::values::TEXTS;
use super::values::value;

/// Each base as often as it stands here.
const BASES: [Base; 38] = [
    Base::Items,
    Base::Items,
    Base::Items,
    Base::Items,
    Base::Items,
    Base::Owners,
    Base::Tallies,
    Base::Specimens,
    Base::Specimens,
    Base::Specimens,
    Base::Specimens,
    Base::Shelves,
    Base::Shelves,
    Base::ItemsOfOwners,
    Base::ItemsOfOwners,
    Base::ItemsPerhapsOfOwners,
    Base::OwnersWithItems,
    Base::OwnersPerhapsWithItems,
    Base::OwnersWithShelvesWithSpecimens,
    Base::OwnersPerhapsWithShelvesPerhapsWithSpecimens,
    Base::ItemsWithTallies,
    Base::ShelvesPerhapsWithSpecimens,
    Base::SpecimensOfOwnersWithTallies,
    Base::ItemsBesideItems,
    Base::ItemsBelowTallies,
    Base::ItemsOfEither,
    Base::ItemsOfEitherWithRepetitions,
    Base::ItemsInCommon,
    Base::ItemsOfOneWithoutTheOther,
    Base::OwnersOfHighItems,
    Base::DearestItems,
    Base::ItemsOfTheBusy,
    Base::UnbrokenOwners,
    Base::Shows(0),
    Base::Items,
    Base::Specimens,
    Base::Items,
    // Taken where there are arrays; else something else is asked.
    Base::Strips,
];

const COMPARISONS: [Comparison; 8] = [
    Comparison::Eq,
    Comparison::Eq,
    Comparison::Eq,
    Comparison::Ne,
    Comparison::Lt,
    Comparison::Le,
    Comparison::Gt,
    Comparison::Ge,
];

struct Generator<'d> {
    backend: Backend,
    dice: &'d mut Dice,
    tables: Vec<&'static Table>,
    /// All columns of all sources.
    columns: Vec<At>,
}

/// A question that `dice` think of.
pub(crate) fn question(backend: Backend, dice: &mut Dice) -> Question {
    let base = match *dice.any(&BASES) {
        Base::Strips if backend == Backend::Sqlite => Base::Items,
        Base::Shows(_) => return Question::all(Base::Shows(dice.roll(SHOWS))),
        base => base,
    };
    let mut question = Question::all(base);
    let tables = sources(base);
    Generator::new(backend, dice, tables).fill(&mut question);
    question
}

/// Whether values of a kind have an order.
fn has_order(at: &At) -> bool {
    at.kind != Kind::Json
}

/// Whether equal values are one and the same.
fn is_unambiguous(at: &At) -> bool {
    has_order(at) && !matches!(at.name, "narrow" | "wide" | "exact")
}

/// Whether sums are the same in any order, and fit.
fn adds_up(at: &At) -> bool {
    matches!(
        at.name,
        "rank" | "score" | "n" | "price" | "weight" | "position" | "length" | "small" | "middle"
    )
}

impl<'d> Generator<'d> {
    fn new(backend: Backend, dice: &'d mut Dice, tables: Vec<&'static Table>) -> Self {
        let columns = (0..).zip(&tables).flat_map(|(source, table)| {
            let column = move |(column, of): (u16, &recto::schema::Column)| At {
                source,
                column,
                kind: of.kind,
                name: of.name,
            };
            (0..).zip(table.columns).map(column)
        });
        let columns = columns.collect();
        Self { backend, dice, tables, columns }
    }

    fn fill(mut self, question: &mut Question) {
        let filters = [0, 1, 1, 1, 2, 2, 3][usize::try_from(self.dice.roll(7)).unwrap()];
        question.filters = (0..filters).map(|_| self.condition(2)).collect();
        let is_alone = self.tables.len() == 1;
        let whole = if is_alone { 60 } else { 25 };
        match self.dice.roll(100) {
            kind if kind < whole => {}
            kind if kind < whole + 15 => question.shown = self.terms(has_order),
            kind if kind < whole + 20 => {
                question.shown = self.terms(is_unambiguous);
                question.distinct = true;
            }
            _ => question.shown = self.groups(),
        }
        self.order(question);
        if question.shown == Shown::Whole && self.dice.once_in(4) {
            question.hung = self.hang(self.tables[0], 2);
        }
        if !self.dice.once_in(3) {
            question.limit = Some(*self.dice.any(&[0, 1, 2, 3, 5, 8, 13, 40]));
        }
        if self.dice.once_in(5) {
            question.offset = 1 + self.dice.roll(6);
        }
    }

    /// What hangs on rows of a table, `depth` levels and one.
    fn hang(&mut self, table: &'static Table, depth: u64) -> Vec<Hung> {
        let mut hung: Vec<Hung> = Vec::new();
        for _ in 0..=self.dice.roll(2) {
            let known =
                table.assocs.iter().filter(|of| hung.iter().all(|held| held.name != of.name));
            let known: Vec<&Assoc> = known.collect();
            if known.is_empty() {
                break;
            }
            let (name, target) = {
                let assoc = self.dice.any(&known);
                (assoc.name, (assoc.target)())
            };
            let mut inner = Generator::new(self.backend, self.dice, vec![target]);
            let filters = inner.dice.roll(3);
            let filters = (0..filters).map(|_| inner.condition(1)).collect();
            let mut rows = Question::all(Base::Items);
            inner.order(&mut rows);
            let has_limit = inner.dice.once_in(2);
            let limit = has_limit.then(|| *inner.dice.any(&[1, 2, 3, 5]));
            let offset = u64::from(has_limit && inner.dice.once_in(5));
            let below = if 0 < depth && self.dice.once_in(2) {
                self.hang(target, depth - 1)
            } else {
                Vec::new()
            };
            hung.push(Hung { name, filters, order: rows.order, limit, offset, below });
        }
        hung
    }

    fn column(&mut self, is_fit: fn(&At) -> bool) -> At {
        let fit: Vec<At> = self.columns.iter().copied().filter(is_fit).collect();
        *self.dice.any(&fit)
    }

    fn value(&mut self, at: At) -> recto::Value {
        let table = self.tables[usize::from(at.source)];
        value(table, &table.columns[usize::from(at.column)], self.backend, self.dice)
    }

    fn condition(&mut self, depth: u64) -> Condition {
        if 0 < depth && self.dice.once_in(3) {
            let mut part = || Box::new(self.condition(depth - 1));
            return match (part(), part(), self.dice.roll(3)) {
                (left, right, 0) => Condition::And(Box::new([*left, *right])),
                (left, right, 1) => Condition::Or(Box::new([*left, *right])),
                (of, ..) => Condition::Not(of),
            };
        }
        let at = self.column(|_| true);
        if self.dice.once_in(4)
            && let Some(condition) = self.function(at)
        {
            return condition;
        }
        match self.dice.roll(10) {
            0 => Condition::Null(at),
            1 | 2 if !matches!(at.kind, Kind::Json | Kind::Array(_)) => {
                let count = self.dice.roll(5);
                Condition::In(at, (0..count).map(|_| self.value(at)).collect())
            }
            3 => self.columns_beside(at),
            _ if at.kind == Kind::Bool => Condition::Is(at),
            4..=6 if at.kind == Kind::Text => {
                let case = if self.dice.once_in(4) { Case::Fold } else { Case::AsDatabase };
                Condition::Like(at, case, self.dice.any::<&str>(&PATTERNS))
            }
            _ => {
                let op = if has_order(&at) { *self.dice.any(&COMPARISONS) } else { Comparison::Eq };
                Condition::Compare(Term::Column(at), op, self.value(at))
            }
        }
    }

    /// A condition with more than comparisons in it, where the column is fit for one.
    fn function(&mut self, at: At) -> Option<Condition> {
        let op = *self.dice.any(&COMPARISONS);
        let is_small = matches!(at.name, "rank" | "score" | "position" | "length");
        Some(match (at.kind, self.dice.roll(4)) {
            (Kind::I32, 0) if is_small => {
                let by = 2 + i32::try_from(self.dice.roll(4)).unwrap();
                Condition::Divides(at, by)
            }
            (Kind::I32, 1) if is_small => Condition::Plus(at, 5, op, 40),
            (Kind::I64, 0) if at.name == "owner_id" || at.name == "id" => {
                Condition::Tallied(at, op, self.dice.small(6))
            }
            (Kind::I64, 1) => Condition::AboveTallies(at),
            (Kind::Text, 0) => Condition::Length(at, op, self.dice.small(5)),
            (Kind::Text, 1) => Condition::Lower(at, self.dice.any::<&str>(&TEXTS)),
            (Kind::Json | Kind::Array(_), _) => return None,
            (_, 2) => Condition::Between(at, self.value(at), self.value(at)),
            (_, 3) => Condition::Instead(at, self.value(at), op, self.value(at)),
            _ => return None,
        })
    }

    /// A comparison with another column of the same kind.
    fn columns_beside(&mut self, at: At) -> Condition {
        let same = self.columns.iter().filter(|other| other.kind == at.kind);
        let same: Vec<At> = same.copied().collect();
        let op = if has_order(&at) { *self.dice.any(&COMPARISONS) } else { Comparison::Ne };
        Condition::Columns(at, op, *self.dice.any(&same))
    }

    fn terms(&mut self, is_fit: fn(&At) -> bool) -> Shown {
        let count = 1 + self.dice.roll(4);
        Shown::Terms((0..count).map(|_| Term::Column(self.column(is_fit))).collect())
    }

    fn aggregate(&mut self) -> Term {
        match self.dice.roll(8) {
            0 | 1 => Term::Count,
            2 => Term::Of(Function::Count, self.column(|_| true)),
            3 => Term::Of(Function::CountDistinct, self.column(has_order)),
            4 => Term::Of(Function::Min, self.column(is_unambiguous)),
            5 => Term::Of(Function::Max, self.column(is_unambiguous)),
            roll => {
                if self.columns.iter().any(adds_up) {
                    let function = if roll == 6 { Function::Sum } else { Function::Avg };
                    Term::Of(function, self.column(adds_up))
                } else {
                    Term::Count
                }
            }
        }
    }

    fn groups(&mut self) -> Shown {
        let by: Vec<At> = (0..self.dice.roll(3)).map(|_| self.column(is_unambiguous)).collect();
        let mut terms: Vec<Term> = by.iter().copied().map(Term::Column).collect();
        if self.dice.once_in(4) {
            terms.clear();
        }
        for _ in 0..=self.dice.roll(3) {
            terms.push(self.aggregate());
        }
        let having =
            if !by.is_empty() && self.dice.once_in(3) { vec![self.having()] } else { Vec::new() };
        Shown::Groups { by, terms, having }
    }

    fn having(&mut self) -> Condition {
        let of = self.aggregate();
        let op = *self.dice.any(&COMPARISONS);
        if let Term::Of(Function::Min | Function::Max, at) = of {
            return Condition::Compare(of, op, self.value(at));
        }
        Condition::Compare(Term::Count, op, recto::Value::Int(self.dice.small(4)))
    }

    fn order(&mut self, question: &mut Question) {
        let count = [0, 1, 1, 2, 3][usize::try_from(self.dice.roll(5)).unwrap()];
        for _ in 0..count {
            let by = match &question.shown {
                Shown::Whole => Term::Column(self.column(has_order)),
                Shown::Terms(_) if !question.distinct => Term::Column(self.column(has_order)),
                // What repeated rows and groups are ordered by is what they have in common.
                Shown::Terms(terms) | Shown::Groups { terms, .. } => *self.dice.any(terms),
            };
            let direction =
                if self.dice.once_in(2) { Direction::Ascending } else { Direction::Descending };
            let nulls = *self.dice.any(&[None, None, Some(Nulls::First), Some(Nulls::Last)]);
            question.order.push(Sorted { by, direction, nulls });
        }
    }
}

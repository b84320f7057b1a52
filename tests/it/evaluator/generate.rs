//! Conditions and orders over the samples, drawn from the whole language of expressions.

use recto::prelude::*;
use recto::query::Col;
use recto::query::Expr;
use recto::query::IntoExpr;
use recto::query::Row;
use recto::query::Sort;
use recto::query::ast::Tree;

use super::samples::Backend;
use super::samples::PATTERNS;
use super::samples::Sample;
use super::samples::Sampled;
use crate::live::dice::Dice;

/// One side of an operator.
enum Operand<'q, T> {
    Column(Col<'q, Option<T>>),
    Expr(Expr<'q, Option<T>>),
    Whole(Expr<'q, T>),
}

impl<'q, T: Sampled> IntoExpr<'q, T> for Operand<'q, T> {
    fn into_tree(self) -> Tree {
        match self {
            Self::Column(column) => IntoExpr::<T>::into_tree(column),
            Self::Expr(expr) => IntoExpr::<T>::into_tree(expr),
            Self::Whole(expr) => IntoExpr::<T>::into_tree(expr),
        }
    }
}

/// The same step on whatever it is.
macro_rules! on {
    ($operand:expr, |$of:ident| $step:expr) => {
        match $operand {
            Operand::Column($of) => $step,
            Operand::Expr($of) => $step,
            Operand::Whole($of) => $step,
        }
    };
}

/// What is thrown for.
pub(crate) struct Generator {
    pub(crate) dice: Dice,
    pub(crate) backend: Backend,
}

impl Generator {
    fn value<T: Sampled>(&mut self) -> T {
        T::throw(&mut self.dice, self.backend)
    }

    fn operand<'q, T: Sampled>(&mut self, row: Row<'q, Sample>, depth: u64) -> Operand<'q, T> {
        let columns = T::columns(row);
        let column = *self.dice.any(&columns);
        match self.dice.roll(if depth == 0 { 5 } else { 10 }) {
            0..=5 => Operand::Column(column),
            6 => Operand::Whole(column.coalesce(self.value::<T>())),
            7 => {
                let condition = self.condition(row, depth - 1);
                let then = self.value::<T>();
                Operand::Expr(when(condition).then(then).or_null())
            }
            8 => {
                let condition = self.condition(row, depth - 1);
                Operand::Expr(when(condition).then(column).otherwise(self.value::<T>()))
            }
            _ => {
                let condition = self.condition(row, depth - 1);
                let other = *self.dice.any(&columns);
                Operand::Expr(when(condition).then(other).otherwise(column))
            }
        }
    }

    /// Something about values of one kind.
    fn about<'q, T: Sampled>(&mut self, row: Row<'q, Sample>, depth: u64) -> Expr<'q, bool> {
        let left = self.operand::<T>(row, depth);
        match self.dice.roll(9) {
            0 => on!(left, |of| of.is_null()),
            1 => on!(left, |of| of.is_not_null()),
            2 => {
                let count = self.dice.roll(4);
                let items: Vec<T> = (0..count).map(|_| self.value()).collect();
                on!(left, |of| of.in_(items))
            }
            3 => {
                let (low, high) = (self.value::<T>(), self.value::<T>());
                on!(left, |of| of.between(low, high))
            }
            4 | 5 => {
                let right = self.operand::<T>(row, depth);
                self.compared(left, right)
            }
            _ => {
                let right = self.value::<T>();
                self.compared(left, right)
            }
        }
    }

    fn compared<'q, T: Sampled>(
        &mut self,
        left: Operand<'q, T>,
        right: impl IntoExpr<'q, T>,
    ) -> Expr<'q, bool> {
        match self.dice.roll(6) {
            0 => on!(left, |of| of.eq(right)),
            1 => on!(left, |of| of.ne(right)),
            2 => on!(left, |of| of.lt(right)),
            3 => on!(left, |of| of.le(right)),
            4 => on!(left, |of| of.gt(right)),
            _ => on!(left, |of| of.ge(right)),
        }
    }

    fn about_text<'q>(&mut self, row: Row<'q, Sample>, depth: u64) -> Expr<'q, bool> {
        let left = self.operand::<String>(row, depth);
        let pattern = *self.dice.any(PATTERNS);
        match self.dice.roll(8) {
            0..=3 => on!(left, |of| of.like(pattern)),
            4 => match left {
                Operand::Column(of) => of.length().gt(1),
                Operand::Expr(of) => of.length().le(1),
                Operand::Whole(of) => of.length().ne(0),
            },
            5 => {
                let right = self.value::<String>();
                on!(left, |of| of.lower().eq(right))
            }
            6 => on!(left, |of| of.upper().like(pattern)),
            _ => on!(left, |of| of.ilike(pattern)),
        }
    }

    /// Something that the database alone can tell.
    fn hidden<'q>(&mut self, row: Row<'q, Sample>) -> Expr<'q, bool> {
        match self.dice.roll(2) {
            0 => (row.id + self.dice.small(5)).gt(20),
            _ => fragment("? is null", row.large),
        }
    }

    /// A condition.
    pub(crate) fn condition<'q>(&mut self, row: Row<'q, Sample>, depth: u64) -> Expr<'q, bool> {
        if 0 < depth {
            match self.dice.roll(9) {
                0 | 1 => {
                    return self.condition(row, depth - 1).and(self.condition(row, depth - 1));
                }
                2 | 3 => {
                    return self.condition(row, depth - 1).or(self.condition(row, depth - 1));
                }
                4 => return self.condition(row, depth - 1).not(),
                5 => {
                    return self.condition(row, depth - 1).eq(self.condition(row, depth - 1));
                }
                6 => return self.condition(row, depth - 1).is_null(),
                _ => {}
            }
        }
        match self.dice.roll(40) {
            0..=2 => self.about::<bool>(row, depth),
            3 | 4 => self.about::<i16>(row, depth),
            5 | 6 => self.about::<i32>(row, depth),
            7..=9 => self.about::<i64>(row, depth),
            10 | 11 => self.about::<f32>(row, depth),
            12..=15 => self.about::<f64>(row, depth),
            16..=20 => self.about::<Decimal>(row, depth),
            21..=24 => self.about::<String>(row, depth),
            25..=29 => self.about_text(row, depth),
            30 => self.about::<Vec<u8>>(row, depth),
            31 | 32 => self.about::<Uuid>(row, depth),
            33 | 34 => self.about::<Date>(row, depth),
            35 => self.about::<Time>(row, depth),
            36 | 37 => self.about::<Timestamp>(row, depth),
            38 => row.extra.is_null(),
            _ => self.hidden(row),
        }
    }

    /// One part of an order.
    pub(crate) fn sort<'q>(&mut self, row: Row<'q, Sample>) -> Sort<'q> {
        match self.dice.roll(12) {
            0 => self.sort_by::<bool>(row),
            1 => self.sort_by::<i16>(row),
            2 => self.sort_by::<i64>(row),
            3 => self.sort_by::<f32>(row),
            4 => self.sort_by::<f64>(row),
            5 | 6 => self.sort_by::<Decimal>(row),
            7 | 8 => self.sort_by::<String>(row),
            9 => self.sort_by::<Vec<u8>>(row),
            10 => self.sort_by::<Uuid>(row),
            _ => self.sort_by::<Timestamp>(row),
        }
    }

    fn sort_by<'q, T: Sampled>(&mut self, row: Row<'q, Sample>) -> Sort<'q> {
        let operand = self.operand::<T>(row, 1);
        let sort = if self.dice.once_in(2) {
            on!(operand, |of| of.asc())
        } else {
            on!(operand, |of| of.desc())
        };
        match self.dice.roll(3) {
            0 => sort.nulls_first(),
            1 => sort.nulls_last(),
            _ => sort,
        }
    }
}

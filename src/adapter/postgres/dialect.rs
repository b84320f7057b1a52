//! How PostgreSQL spells SQL.

use std::fmt::Write;

use crate::adapter::sql::Begin;
use crate::adapter::sql::Capability;
use crate::adapter::sql::Dialect;
use crate::adapter::sql::cannot;
use crate::error::Result;
use crate::query::ast::Case;
use crate::query::ast::Function;
use crate::query::ast::Lock;
use crate::query::ast::LockStrength;
use crate::query::ast::LockWait;
use crate::query::ast::Operator;
use crate::query::ast::TextFunction;
use crate::value::Kind;

/// The SQL of PostgreSQL 14 and later.
#[derive(Clone, Copy, Debug)]
pub struct PostgresDialect;

impl Dialect for PostgresDialect {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    /// `NAMEDATALEN - 1`: longer names are cut with nothing but a notice.
    fn max_identifier_bytes(&self) -> Option<usize> {
        Some(63)
    }

    /// The count travels in 16 bits.
    fn max_params(&self) -> usize {
        65_535
    }

    fn placeholder(&self, number: usize, out: &mut String) {
        write!(out, "${number}").expect("writing to a `String` cannot fail");
    }

    fn type_name(&self, kind: Kind) -> Option<String> {
        Some(type_name(kind))
    }

    fn membership(&self, number: usize, kind: Kind, typed: bool) -> Result<String> {
        let cast = if typed { format!("::{}[]", type_name(kind)) } else { String::new() };
        Ok(format!("= any(${number}{cast})"))
    }

    /// The first conditions tell the types of the lists, whatever the columns are, and let an index
    /// serve; the last one alone says which parts belong together.
    fn key_membership(&self, columns: &[(String, Kind)], first: usize) -> Result<String> {
        let mut sql = String::new();
        for (number, (name, _)) in (first..).zip(columns) {
            let and = if number == first { "" } else { " and " };
            write!(sql, "{and}{name} = any(${number})").expect("writing to a `String` cannot fail");
        }
        if 1 < columns.len() {
            let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let lists: Vec<String> =
                (first..first + columns.len()).map(|number| format!("${number}")).collect();
            let (names, lists) = (names.join(", "), lists.join(", "));
            write!(sql, " and ({names}) in (select * from unnest({lists}))")
                .expect("writing to a `String` cannot fail");
        }
        Ok(sql)
    }

    fn keys_in_one_list(&self) -> bool {
        false
    }

    fn like(&self, case: Case) -> &'static str {
        match case {
            Case::AsDatabase => "like",
            Case::Fold => "ilike",
        }
    }

    fn aggregate(
        &self,
        function: Function,
        kind: Kind,
        argument: &str,
        over: &str,
    ) -> Result<String> {
        match function {
            Function::Count => Ok(format!("count({argument}){over}")),
            Function::CountDistinct if !over.is_empty() => {
                Err(cannot(self, "count, each once and over a window,", kind))
            }
            Function::CountDistinct => Ok(format!("count(distinct {argument})")),
            Function::Sum | Function::Avg => self.total(function, kind, argument, over),
            Function::Min => self.extreme("min", "bool_and", kind, argument, over),
            Function::Max => self.extreme("max", "bool_or", kind, argument, over),
        }
    }

    fn arithmetic(
        &self,
        operator: Operator,
        _kind: Kind,
        left: &str,
        right: &str,
    ) -> Result<String> {
        Ok(format!("({left} {} {right})", operator.sign()))
    }

    fn text(&self, function: TextFunction, argument: &str) -> String {
        match function {
            TextFunction::Lower => format!("lower({argument})"),
            TextFunction::Upper => format!("upper({argument})"),
            TextFunction::Length => format!("length({argument})::bigint"),
        }
    }

    fn now(&self) -> &'static str {
        "now()"
    }

    fn lock(&self, lock: Lock, source: &str) -> Result<String> {
        let strength = match lock.strength {
            LockStrength::Update => "update",
            LockStrength::Share => "share",
        };
        let wait = match lock.wait {
            LockWait::Wait => "",
            LockWait::Skip => " skip locked",
            LockWait::Fail => " nowait",
        };
        Ok(format!(" for {strength} of {source}{wait}"))
    }

    fn collation(&self, _kind: Kind) -> Option<&'static str> {
        None
    }

    fn collation_of_choice(&self, _kind: Kind) -> Option<&'static str> {
        None
    }

    fn begin(&self, begin: Begin) -> &'static str {
        match begin {
            Begin::Write => "begin",
            Begin::RepeatableRead => "begin isolation level repeatable read",
            Begin::Serializable => "begin isolation level serializable",
            Begin::Snapshot => "begin isolation level repeatable read read only",
        }
    }

    fn set_setting(&self) -> Option<&'static str> {
        Some("select set_config($1, $2, false)")
    }

    fn no_limit(&self) -> Option<&'static str> {
        None
    }

    fn supports(&self, capability: Capability) -> bool {
        match capability {
            Capability::Arrays | Capability::Listen | Capability::Lateral => true,
            Capability::GoesOnAfterFailure => false,
        }
    }
}

impl PostgresDialect {
    /// Sums and means, narrowed to what a query promises: integers beyond 64 bits are an error.
    fn total(self, function: Function, kind: Kind, argument: &str, over: &str) -> Result<String> {
        let name = if function == Function::Sum { "sum" } else { "avg" };
        match kind {
            Kind::I16 | Kind::I32 | Kind::I64 if function == Function::Sum => {
                Ok(format!("sum({argument}){over}::bigint"))
            }
            Kind::I16 | Kind::I32 | Kind::I64 => Ok(format!("avg({argument}){over}::float8")),
            // The sum of 32-bit floats would be one too, and lose most of its digits.
            Kind::F32 => Ok(format!("{name}({argument}::float8){over}")),
            Kind::F64 | Kind::Decimal => Ok(format!("{name}({argument}){over}")),
            Kind::Bool
            | Kind::Text
            | Kind::Bytes
            | Kind::Uuid
            | Kind::Date
            | Kind::Time
            | Kind::Timestamp
            | Kind::Json
            | Kind::Array(_) => Err(cannot(&self, "add up", kind)),
        }
    }

    /// The smallest or greatest value; some types have an order but no such aggregate.
    fn extreme(
        self,
        name: &str,
        of_bools: &str,
        kind: Kind,
        argument: &str,
        over: &str,
    ) -> Result<String> {
        match kind {
            Kind::Bool => Ok(format!("{of_bools}({argument}){over}")),
            // Hexadecimal digits sort as the bytes they stand for.
            Kind::Uuid => Ok(format!("{name}({argument}::text collate \"C\"){over}::uuid")),
            Kind::Bytes => {
                Ok(format!("decode({name}(encode({argument}, 'hex') collate \"C\"){over}, 'hex')"))
            }
            Kind::Json => Err(cannot(&self, "put in order", kind)),
            Kind::I16
            | Kind::I32
            | Kind::I64
            | Kind::F32
            | Kind::F64
            | Kind::Text
            | Kind::Decimal
            | Kind::Date
            | Kind::Time
            | Kind::Timestamp
            | Kind::Array(_) => Ok(format!("{name}({argument}){over}")),
        }
    }
}

fn type_name(kind: Kind) -> String {
    let name = match kind {
        Kind::Bool => "boolean",
        Kind::I16 => "smallint",
        Kind::I32 => "integer",
        Kind::I64 => "bigint",
        Kind::F32 => "real",
        Kind::F64 => "double precision",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Uuid => "uuid",
        Kind::Decimal => "numeric",
        Kind::Date => "date",
        Kind::Time => "time",
        Kind::Timestamp => "timestamptz",
        Kind::Json => "jsonb",
        Kind::Array(item) => return type_name(*item) + "[]",
    };
    name.to_owned()
}

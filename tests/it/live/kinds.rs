//! Tables with a column of every kind, keys of text and of several columns, and triggers that write
//! before, after and at the very end of a transaction.

use recto::prelude::*;

use super::world::Owner;

/// A column of every kind that both databases have, under a key of text.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "specimens")]
pub(crate) struct Specimen {
    #[schema(primary_key)]
    pub(crate) code: String,
    #[schema(belongs_to)]
    pub(crate) owner: Option<BelongsTo<Owner>>,
    pub(crate) alive: Option<bool>,
    pub(crate) small: Option<i16>,
    pub(crate) middle: Option<i32>,
    pub(crate) large: Option<i64>,
    pub(crate) narrow: Option<f32>,
    pub(crate) wide: Option<f64>,
    /// Numbers that add up to the same in any order.
    pub(crate) weight: Option<f64>,
    pub(crate) exact: Option<Decimal>,
    pub(crate) price: Option<Decimal>,
    pub(crate) body: Option<String>,
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) tag: Option<Uuid>,
    pub(crate) day: Option<Date>,
    pub(crate) hour: Option<Time>,
    pub(crate) instant: Option<Timestamp>,
    pub(crate) extra: Option<Json>,
    #[schema(generated)]
    pub(crate) length: i32,
    #[schema(has_many, foreign_key = "specimen_code")]
    pub(crate) shelves: HasMany<Shelf>,
    #[schema(has_many, through = "owner.specimens")]
    pub(crate) beside: HasMany<Self>,
}

/// What lies where at whose: a key of two columns, between two tables.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "shelves")]
pub(crate) struct Shelf {
    #[schema(primary_key)]
    pub(crate) owner_id: i64,
    #[schema(primary_key)]
    pub(crate) label: String,
    #[schema(belongs_to, foreign_key = "specimen_code", references = "code")]
    pub(crate) specimen: Option<BelongsTo<Specimen>>,
    pub(crate) position: i32,
}

/// Arrays, which only PostgreSQL has.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "strips")]
pub(crate) struct Strip {
    pub(crate) id: Uuid,
    pub(crate) numbers: Vec<i32>,
    pub(crate) words: Option<Vec<String>>,
}

pub(crate) const POSTGRES: &str = "
create table specimens (
    code text primary key,
    owner_id bigint references owners on delete set null on update cascade,
    alive boolean, small smallint, middle integer, large bigint, narrow real,
    wide double precision, weight double precision, exact numeric, price numeric(12, 2),
    body text, raw bytea, tag uuid, day date, hour time, instant timestamptz, extra jsonb,
    length integer not null generated always as (coalesce(length(body), 0)) stored
);
create table shelves (
    owner_id bigint not null references owners on delete cascade on update cascade,
    label text not null,
    specimen_code text references specimens on delete set null on update cascade,
    position integer not null,
    primary key (owner_id, label) deferrable initially deferred,
    unique (owner_id, position) deferrable initially deferred
);
create table strips (id uuid primary key, numbers integer[] not null, words text[]);

-- Writes something else than what was said.
create function before() returns trigger language plpgsql as $$
begin
    if new.small = 7 then new.body := 'seven'; end if;
    return new;
end $$;
create trigger a_before before insert or update on specimens
    for each row execute function before();

-- Writes to another table, and to later rows of its own.
create function spread() returns trigger language plpgsql as $$
begin
    if new.alive and pg_trigger_depth() < 2 then
        update items set note = new.body where rank = new.middle and length(new.body) < 9;
        update specimens set weight = 0.25 where code > new.code and small = new.small;
    end if;
    return null;
end $$;
create trigger z_spread after insert or update on specimens
    for each row execute function spread();

-- Writes when the transaction has ended but for its commit.
create function at_commit() returns trigger language plpgsql as $$
begin
    update specimens set middle = coalesce(middle, 0) % 100 + 1 where code = new.specimen_code;
    return null;
end $$;
create constraint trigger at_commit after insert or update on shelves
    deferrable initially deferred for each row execute function at_commit();
";

pub(crate) const SQLITE: &str = "
create table specimens (
    code text primary key not null,
    owner_id integer references owners on delete set null on update cascade,
    alive integer, small integer, middle integer, large integer, narrow real, wide real,
    weight real, exact text, price text, body text, raw blob, tag text, day text, hour text,
    instant text, extra text,
    length integer not null generated always as (coalesce(length(body), 0)) stored
);
create table shelves (
    owner_id integer not null references owners on delete cascade on update cascade
        deferrable initially deferred,
    label text not null,
    specimen_code text references specimens on delete set null on update cascade,
    position integer not null,
    primary key (owner_id, label)
);

create trigger a_spread after insert on specimens when new.small = 7 begin
    update specimens set body = 'seven' where code = new.code;
    update items set note = 'seven' where rank = new.middle;
end;
create trigger z_spread after update of body on specimens when new.small = 3 begin
    update specimens set weight = 0.25 where new.code < code and small = 3;
    insert into specimens (code, small) values ('made of ' || new.code, 4) on conflict do nothing;
end;
";

//! Writers of the tables with a column of every kind.

use recto::prelude::*;

use super::dice::Dice;
use super::kinds::Shelf;
use super::kinds::Specimen;
use super::kinds::Strip;
use super::values::Backend;
use super::values::row;
use super::writers::on_purpose;

/// How many specimens there may be: few enough that each tick reads all of them many times over.
const MOST: i64 = 30;

/// One step of a writer.
pub(super) async fn collect(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    let backend = Backend::of(repo);
    match dice.roll(14) {
        0..=3 => specimen(repo, backend, dice).await,
        4 => {
            let gone: Specimen = row(backend, dice);
            repo.delete_all(from::<Specimen>().filter(|s| s.code.eq(gone.code))).await.map(drop)
        }
        5..=6 => shelf(repo, backend, dice).await,
        7 => {
            let gone: Shelf = row(backend, dice);
            repo.delete_all(from::<Shelf>().filter(|s| s.label.eq(gone.label))).await.map(drop)
        }
        8..=9 => moved(repo, backend, dice).await,
        10 if backend == Backend::Postgres => strip(repo, dice).await,
        10 => {
            let few: Vec<Specimen> = (0..4).map(|_| row(backend, dice)).collect();
            repo.insert_all(few).await.map(drop)
        }
        11 => whole(repo, backend, dice).await,
        12 if dice.once_in(8) => megabyte(repo, backend, dice).await,
        _ => crowd_out(repo).await,
    }
}

/// Puts a specimen under its code: a new one, or other values in the old one.
async fn specimen(repo: &Repo, backend: Backend, dice: &mut Dice) -> Result<(), Error> {
    let new: Specimen = row(backend, dice);
    let columns = dice.roll(4);
    let Some(old) = repo.get::<Specimen>(new.code.clone()).await? else {
        repo.insert(new).await?;
        return Ok(());
    };
    let changeset = Changeset::new(old).change(|old| match columns {
        0 => {
            (old.wide, old.narrow, old.weight) = (new.wide, new.narrow, new.weight);
            (old.exact, old.price) = (new.exact, new.price);
        }
        1 => {
            (old.small, old.middle, old.large) = (new.small, new.middle, new.large);
            old.owner = new.owner;
        }
        2 => {
            (old.day, old.hour, old.instant) = (new.day, new.hour, new.instant);
            (old.alive, old.tag) = (new.alive, new.tag);
        }
        _ => (old.body, old.raw, old.extra) = (new.body, new.raw, new.extra),
    });
    repo.update(changeset).await?;
    Ok(())
}

async fn shelf(repo: &Repo, backend: Backend, dice: &mut Dice) -> Result<(), Error> {
    let new: Shelf = row(backend, dice);
    match repo.get::<Shelf>((new.owner_id, new.label.clone())).await? {
        None => _ = repo.insert(new).await?,
        Some(old) => {
            let changeset = Changeset::new(old).change(|old| {
                old.specimen = new.specimen;
                old.position = new.position;
            });
            repo.update(changeset).await?;
        }
    }
    Ok(())
}

/// Keys that move, with whatever points at them, and places that are swapped in one statement.
async fn moved(repo: &Repo, backend: Backend, dice: &mut Dice) -> Result<(), Error> {
    let (number, owner) = (dice.roll(5), 1 + dice.roll(5));
    let script = match dice.roll(5) {
        0 => format!(
            "update specimens set code = code || '~' where small = {number} and length(code) < 12"
        ),
        1 => format!(
            "update shelves set label = label || '!' \
             where position = {number} and length(label) < 8"
        ),
        2 => format!("update owners set id = {owner} where id = {owner} + 1"),
        3 if backend == Backend::Postgres => format!(
            "begin; set constraints all deferred; \
             update shelves set position = 7 - position where owner_id = {owner}; \
             update specimens set small = 3 where small = {number}; commit"
        ),
        _ => format!("update shelves set position = 7 - position where owner_id = {owner}"),
    };
    repo.batch_sql(&script).await
}

async fn strip(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    let new: Strip = row(Backend::Postgres, dice);
    if dice.once_in(3) {
        let twelve = from::<Strip>().order_by(|s| s.id.asc()).limit(12);
        return repo.delete_all(twelve).await.map(drop);
    }
    match repo.get::<Strip>(new.id).await? {
        None => _ = repo.insert(new).await?,
        Some(old) => {
            let changeset = Changeset::new(old)
                .change(|old| (old.numbers, old.words) = (new.numbers, new.words));
            repo.update(changeset).await?;
        }
    }
    Ok(())
}

/// Several tables in one transaction, which is undone now and then.
async fn whole(repo: &Repo, backend: Backend, dice: &mut Dice) -> Result<(), Error> {
    repo.transact(async |repo| {
        specimen(&repo, backend, dice).await?;
        shelf(&repo, backend, dice).await?;
        specimen(&repo, backend, dice).await?;
        if dice.once_in(3) { Err(on_purpose()) } else { Ok(()) }
    })
    .await
}

/// A text of a megabyte that is not there for long, since every tick would read it.
async fn megabyte(repo: &Repo, backend: Backend, dice: &mut Dice) -> Result<(), Error> {
    let named: Specimen = row(backend, dice);
    for body in ["é".repeat(1 << 19), String::new()] {
        let those = from::<Specimen>().order_by(|s| s.code.asc()).limit(1);
        let Some(old) = repo.one(those.filter(|s| s.code.ge(&named.code))).await? else {
            return Ok(());
        };
        repo.update(Changeset::new(old).put(Specimen::body, body)).await?;
    }
    Ok(())
}

async fn crowd_out(repo: &Repo) -> Result<(), Error> {
    if MOST < repo.count(from::<Specimen>()).await? {
        let some = from::<Specimen>().order_by(|s| s.tag.asc()).limit(12);
        repo.delete_all(some).await?;
    }
    Ok(())
}

//! Writers that get in each other's way: transactions, savepoints, rollbacks, cascades, moved keys,
//! raw SQL of programs that know nothing of Recto.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use recto::prelude::*;
use tokio::task::JoinSet;

use super::collectors::collect;
use super::dice::Dice;
use super::values::note;
use super::world::Item;
use super::world::Owner;

/// Writers at work; stopped when dropped.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Writers {
    /// `repos` each get one writer.
    pub(crate) fn start(repos: Vec<Repo>, seed: u64) -> Self {
        println!("the writers' seed is {seed}");
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for (number, repo) in (1_u64..).zip(repos) {
            let stop = Arc::clone(&stop);
            tasks.spawn(async move {
                // What a step throws does not depend on what steps before it met.
                for step in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Err(error) = write(&repo, &mut Dice::of(seed, number, step)).await {
                        expected(&error);
                    }
                    tokio::task::yield_now().await;
                }
            });
        }
        Self { stop, tasks }
    }

    /// Fails where a writer has failed; none of them ends by itself.
    pub(crate) fn are_well(&mut self) {
        if let Some(ended) = self.tasks.try_join_next() {
            ended.unwrap();
        }
    }

    /// Lets every writer finish what it is doing.
    pub(crate) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

/// Writers that crowd each other fail now and then; anything else is a bug.
pub(crate) fn expected(error: &Error) {
    let rule = error.violation().map(|violation| violation.rule);
    let is_of_crowds = matches!(
        error.kind(),
        ErrorKind::Conflict
            | ErrorKind::Stale
            | ErrorKind::Unavailable
            | ErrorKind::InDoubt
            | ErrorKind::Timeout(_)
    );
    let text = error.chain().to_string();
    assert!(is_of_crowds || rule.is_some() || text.contains("on purpose"), "{text}");
}

async fn write(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    match dice.roll(36) {
        0..=5 => insert(repo, dice).await,
        6..=9 => update(repo, dice).await,
        10..=12 => delete(repo, dice).await,
        13 => together(repo, dice).await,
        14 => undone(repo, dice).await,
        15..=16 => savepoints(repo, dice).await,
        17 => many(repo, dice).await,
        18 => {
            let rank = i32::try_from(dice.roll(90)).unwrap();
            let near = from::<Item>().filter(|i| i.rank.ge(rank).and(i.rank.lt(rank + 5)));
            let flag = dice.roll(2) == 0;
            repo.update_all(near, (Item::flag, flag)).await.map(drop)
        }
        19 => crowd_out(repo).await,
        20 => owners(repo, dice).await,
        21..=23 => raw(repo, dice).await,
        _ => collect(repo, dice).await,
    }
}

fn item(dice: &mut Dice) -> Item {
    let owner = dice.small(6);
    Item {
        owner: (0 < owner).then(|| BelongsTo::to(owner)),
        rank: i32::try_from(dice.roll(100)).unwrap(),
        price: (dice.roll(4) != 0).then(|| Decimal::new(dice.small(3000), 2)),
        flag: dice.roll(2) == 0,
        note: (!dice.once_in(4)).then(|| note(dice)),
        ..Item::default()
    }
}

async fn insert(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    repo.insert(item(dice)).await?;
    Ok(())
}

async fn any(repo: &Repo, dice: &mut Dice) -> Result<Option<Item>, Error> {
    let offset = dice.roll(60);
    repo.one(from::<Item>().order_by(|i| i.id.asc()).offset(offset).limit(1)).await
}

async fn update(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    let Some(old) = any(repo, dice).await? else { return insert(repo, dice).await };
    let new = item(dice);
    let changeset = match dice.roll(3) {
        0 => Changeset::new(old).put(Item::rank, new.rank),
        1 => Changeset::new(old).change(|item| {
            item.owner = new.owner;
            item.note = new.note;
        }),
        _ => Changeset::new(old).change(|item| item.price = new.price).put(Item::flag, new.flag),
    };
    repo.update(changeset).await?;
    Ok(())
}

async fn delete(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    match any(repo, dice).await? {
        Some(item) => Ok(repo.delete(item).await?),
        None => Ok(()),
    }
}

async fn together(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    repo.transact(async |repo| {
        insert(&repo, dice).await?;
        update(&repo, dice).await?;
        delete(&repo, dice).await
    })
    .await
}

pub(super) fn on_purpose() -> Error {
    Error::invalid("undone on purpose")
}

async fn undone(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    repo.transact(async |repo| {
        insert(&repo, dice).await?;
        update(&repo, dice).await?;
        Err(on_purpose())
    })
    .await
}

async fn savepoints(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    repo.transact(async |repo| {
        insert(&repo, dice).await?;
        let inner = repo.transact(async |repo| {
            update(&repo, dice).await?;
            delete(&repo, dice).await?;
            if dice.roll(2) == 0 { Err(on_purpose()) } else { Ok(()) }
        });
        let inner = inner.await;
        if let Err(error) = inner
            && error.what() != on_purpose().what()
        {
            return Err(error);
        }
        insert(&repo, dice).await
    })
    .await
}

async fn many(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    let count = 2 + dice.roll(12);
    let items: Vec<Item> = (0..count).map(|_| item(dice)).collect();
    repo.insert_all(items).await.map(drop)
}

/// Keeps the table small, so that windows run dry and refill.
async fn crowd_out(repo: &Repo) -> Result<(), Error> {
    if 80 < repo.count(from::<Item>()).await? {
        let oldest = from::<Item>().order_by(|i| i.made_at.asc()).limit(60);
        repo.delete_all(oldest).await?;
    }
    Ok(())
}

async fn owners(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    let id = 1 + dice.small(5);
    let score = i32::try_from(dice.roll(12)).unwrap();
    match repo.get::<Owner>(id).await? {
        None => {
            repo.insert(Owner { id, name: format!("owner {id}"), score, ..Owner::default() })
                .await?;
        }
        // Takes all its items along.
        Some(owner) if dice.roll(6) == 0 => repo.delete(owner).await?,
        Some(owner) => {
            repo.update(Changeset::new(owner).put(Owner::score, score)).await?;
        }
    }
    Ok(())
}

async fn raw(repo: &Repo, dice: &mut Dice) -> Result<(), Error> {
    let is_postgres = repo.database() == "PostgreSQL";
    let id = dice.small(400);
    let script = match dice.roll(8) {
        // A moved key.
        0 => format!("update items set id = id + 100000 where id = {id}"),
        1 => format!("delete from items where id % 17 = {}", id % 17),
        2 => format!("update items set rank = rank + 7 where id % 5 = {}", id % 5),
        3 => format!(
            "update items set note = note || '.' where id % 3 = {} and length(note) < 4",
            id % 3
        ),
        // Time between the write and the commit, for others to overtake.
        5..=6 if is_postgres => format!(
            "begin; update items set rank = {} where id % 11 = {}; \
             select pg_sleep({} / 1000.0); commit",
            id % 100,
            id % 11,
            dice.roll(8)
        ),
        _ => format!("insert into items (rank, flag, note) values ({}, false, 'raw')", id % 100),
    };
    repo.batch_sql(&script).await
}

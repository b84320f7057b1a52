//! All or nothing, nested or not, dropped or not.

use std::sync::Arc;
use std::sync::Mutex;

use recto::prelude::*;

use super::on_both;
use super::schema::Author;

on_both! {
    what_fails_is_undone
    savepoints_undo_only_themselves
    commits_are_announced_once_and_rollbacks_never
    a_dropped_transaction_leaves_nothing_behind
    a_leaked_handle_is_refused
    an_outer_handle_is_refused_while_an_inner_one_is_open
    a_swallowed_error_is_not_a_commit
    a_script_that_fails_half_way_leaves_no_transaction_open
    a_snapshot_sees_one_state
}

fn named(name: &str) -> Author {
    Author { name: name.to_owned(), ..Author::default() }
}

async fn names(repo: &Repo) -> String {
    let rows = repo.all(from::<Author>().order_by(|a| a.id.asc())).await.unwrap();
    rows.into_iter().map(|row| row.name).collect::<Vec<_>>().join(" ")
}

async fn what_fails_is_undone(repo: &Repo) {
    let done: Result<i64, Error> = repo
        .transact(async |repo| {
            repo.insert(named("one")).await?;
            Ok(repo.insert(named("two")).await?.id)
        })
        .await;
    assert!(done.is_ok());
    let failed: Result<(), Error> = repo
        .transact(async |repo| {
            repo.insert(named("three")).await?;
            Err(Error::invalid("no"))
        })
        .await;
    assert_eq!(failed.unwrap_err().what(), "no");
    assert_eq!(names(repo).await, "one two");
}

async fn savepoints_undo_only_themselves(repo: &Repo) {
    let done: Result<(), Error> = repo
        .transact(async |repo| {
            repo.insert(named("outer")).await?;
            let inner: Result<(), Error> = repo
                .transact(async |repo| {
                    repo.insert(named("inner")).await?;
                    // A statement that fails ends no more than its savepoint.
                    repo.insert(named("outer")).await?;
                    Ok(())
                })
                .await;
            assert!(inner.is_err());
            repo.insert(named("after")).await?;
            repo.transact(async |repo| repo.insert(named("kept")).await.map(drop)).await?;
            Ok(())
        })
        .await;
    done.unwrap();
    assert_eq!(names(repo).await, "outer after kept");
}

async fn commits_are_announced_once_and_rollbacks_never(repo: &Repo) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let observer = repo.on_commit(move |commit| {
        let changes = commit.changes.iter();
        let changes = changes.map(|change| format!("{} {:?}", change.operation, change.key));
        hear.lock().unwrap().push(changes.collect::<Vec<_>>().join(", "));
    });
    let one = repo.insert(named("one")).await.unwrap();
    let _: Result<(), Error> = repo
        .transact(async |repo| {
            repo.delete(one.clone()).await?;
            let _: Result<(), Error> = repo
                .transact(async |repo| {
                    repo.insert(named("undone")).await?;
                    Err(Error::invalid("no"))
                })
                .await;
            repo.update_all(from::<Author>(), (Author::name, "all")).await?;
            Ok(())
        })
        .await;
    let undone: Result<(), Error> = repo
        .transact(async |repo| {
            repo.insert(named("undone")).await?;
            Err(Error::invalid("no"))
        })
        .await;
    assert!(undone.is_err());
    let id = one.id;
    let expected = [format!("insert Some({id})"), format!("delete Some({id}), update None")];
    assert_eq!(*heard.lock().unwrap(), expected);
    drop(observer);
    repo.insert(named("unheard")).await.unwrap();
    assert_eq!(heard.lock().unwrap().len(), 2);
}

async fn a_dropped_transaction_leaves_nothing_behind(repo: &Repo) {
    let stuck = repo.transact(async |repo| {
        repo.insert(named("gone")).await?;
        std::future::pending::<()>().await;
        Ok::<(), Error>(())
    });
    let mut stuck = Box::pin(stuck);
    let (inserted_tx, inserted) = tokio::sync::oneshot::channel();
    let mut inserted_tx = Some(inserted_tx);
    let watch = repo.clone();
    tokio::select! {
        _ = &mut stuck => unreachable!("it waits for ever"),
        () = async {
            // Other connections see nothing of it, and are not held up by readers.
            for _ in 0..50 {
                assert_eq!(watch.count(from::<Author>()).await.unwrap(), 0);
            }
            inserted_tx.take().unwrap().send(()).unwrap();
        } => {}
    }
    inserted.await.unwrap();
    drop(stuck);
    // The connection is free again, and holds no lock.
    repo.insert(named("next")).await.unwrap();
    assert_eq!(names(repo).await, "next");
}

async fn a_leaked_handle_is_refused(repo: &Repo) {
    let leaked: Result<Repo, Error> = repo.transact(async |repo| Ok(repo)).await;
    let error = leaked.unwrap().insert(named("late")).await.unwrap_err();
    assert!(Error::from(error).what().contains("the transaction is over"));
    assert_eq!(names(repo).await, "");
}

async fn an_outer_handle_is_refused_while_an_inner_one_is_open(repo: &Repo) {
    let done: Result<(), Error> = repo
        .transact(async |outer| {
            let outside = outer.clone();
            outer
                .transact(async |_| {
                    let error = outside.insert(named("wrong")).await.unwrap_err();
                    assert!(Error::from(error).what().contains("not the innermost"));
                    Ok::<(), Error>(())
                })
                .await?;
            outer.insert(named("right")).await?;
            Ok(())
        })
        .await;
    done.unwrap();
    assert_eq!(names(repo).await, "right");
}

async fn a_swallowed_error_is_not_a_commit(repo: &Repo) {
    repo.insert(named("taken")).await.unwrap();
    let result: Result<(), Error> = repo
        .transact(async |repo| {
            repo.insert(named("new")).await?;
            let _ = repo.insert(named("taken")).await;
            Ok(())
        })
        .await;
    // PostgreSQL has given the transaction up, SQLite has not; neither may be reported wrongly.
    match result {
        Ok(()) => assert_eq!(names(repo).await, "taken new"),
        Err(error) => {
            assert!(error.what().contains("undone"), "{error}");
            assert_eq!(names(repo).await, "taken");
        }
    }
}

async fn a_script_that_fails_half_way_leaves_no_transaction_open(repo: &Repo) {
    repo.insert(named("taken")).await.unwrap();
    let script = "begin; insert into authors (name) values ('new'); \
                  insert into authors (name) values ('taken'); commit";
    for _ in 0..20 {
        repo.batch_sql(script).await.unwrap_err();
        assert_eq!(names(repo).await, "taken");
    }
    repo.insert(named("next")).await.unwrap();
    assert_eq!(names(repo).await, "taken next");
}

async fn a_snapshot_sees_one_state(repo: &Repo) {
    let counts: Result<(i64, i64), Error> = repo
        .snapshot(async |snapshot| {
            let before = snapshot.count(from::<Author>()).await?;
            repo.insert(named("meanwhile")).await?;
            Ok((before, snapshot.count(from::<Author>()).await?))
        })
        .await;
    assert_eq!(counts.unwrap(), (0, 0));
    assert_eq!(names(repo).await, "meanwhile");
}

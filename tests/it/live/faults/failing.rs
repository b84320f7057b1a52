//! Queries that were well and start failing, because of what the rows are now; and clocks that go
//! back.

use recto::prelude::*;

use super::super::kinds::Specimen;
use super::super::world::Item;
use super::super::writers::expected;
use super::BOUND;
use super::Scene;
use super::Stage;
use super::scene::compare;
use crate::support::wait::within;

fn specimen(code: &str, large: i64) -> Specimen {
    Specimen { code: code.into(), large: Some(large), ..Specimen::default() }
}

fn total() -> Query<Specimen, Option<i64>> {
    from::<Specimen>().select(|s| s.large.sum())
}

fn distinct_total() -> Query<Specimen, (Option<bool>, Option<i64>)> {
    // One that no tier keeps in memory.
    from::<Specimen>().distinct().group_by(|s| s.alive).select(|s| (s.alive, s.large.sum()))
}

async fn ends<O>(query: &mut LiveQuery<O>) {
    while within("the end", BOUND, query.next()).await.is_some() {}
    let error = query.error().expect("it says why");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
    assert!(error.chain().to_string().contains("out of range"), "{}", error.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_starts_failing_ends_alone_and_can_be_asked_again() {
    let stage = Stage::new().await;
    let mut scene = Scene::on(&stage.repo).await;
    stage.repo.insert(specimen("a", i64::MAX - 1)).await.unwrap();
    let mut queries = (
        scene.live.query(total()).await.unwrap(),
        scene.live.query(distinct_total()).await.unwrap(),
    );
    compare("total", &mut queries.0, total(), &stage.repo).await;
    compare("distinct total", &mut queries.1, distinct_total(), &stage.repo).await;

    // Beyond what 64 bits can say.
    stage.repo.insert(specimen("b", 2)).await.unwrap();
    ends(&mut queries.0).await;
    ends(&mut queries.1).await;
    let error = scene.live.query(total()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
    // Nobody else has noticed.
    stage.psql("insert into items (rank, flag, note) values (1, true, 'beside')");
    scene.recovers("beside").await;

    stage.repo.delete_all(from::<Specimen>().filter(|s| s.code.eq("b"))).await.unwrap();
    let mut again = scene.live.query(total()).await.unwrap();
    stage.repo.insert(specimen("c", -7)).await.unwrap();
    compare("total", &mut again, total(), &stage.repo).await;
    scene.finish().await;
}

/// The engine's own clocks only go forward; what goes back is the time that the database, and
/// programs on other machines, write into rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_written_by_clocks_that_go_back() {
    let stage = Stage::new().await;
    let scene = Scene::on(&stage.repo).await;
    let writers = stage.writers().await;
    for hours in 0..40 {
        stage.psql(&format!(
            "insert into items (rank, flag, note, made_at) \
             values ({hours}, true, 'at {hours}', clock_timestamp() - interval '{hours} hours')"
        ));
        if hours % 10 == 9 {
            // What was the newest is gone, and what was written later is older.
            let newest =
                "delete from items where made_at > clock_timestamp() - interval '1 minute'";
            if let Err(error) = stage.repo.batch_sql(newest).await {
                expected(&error);
            }
            scene.goes_on(50).await;
        }
    }
    writers.stop().await;
    let years = from::<Item>()
        .filter(|i| i.made_at.lt(Timestamp::from_micros(0)))
        .order_by(|i| i.made_at.asc());
    stage.psql("update items set made_at = made_at - interval '90 years' where rank % 3 = 0");
    let mut years_ago = scene.live.query(years.clone()).await.unwrap();
    compare("years ago", &mut years_ago, years, &stage.repo).await;
    scene.finish().await;
}

//! The evaluator against the databases: the same answer, or a refusal.
//!
//! Generated conditions and orders over hostile rows; whatever the evaluator takes, it must answer
//! as the database does, row by row and in order. `RECTO_EVALUATOR_CASES` says how many cases,
//! `RECTO_SEED` which ones.

mod generate;
mod samples;

use recto::prelude::*;
use recto::query::Plan;
use recto::query::eval::Evaluator;
use recto::query::eval::Semantics;

use self::generate::Generator;
use self::samples::Backend;
use self::samples::Sample;
use self::samples::sample;
use crate::live::dice::Dice;
use crate::support::cluster::Cluster;
use crate::support::process::Scratch;

/// Cases for each database: both together take 8 s to 16 s of a debug build on two busy cores.
const CASES: u64 = 1_200;
const ROWS: i64 = 48;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What was seen.
#[derive(Debug, Default)]
struct Tally {
    compared: u64,
    refused: u64,
    /// Rows that matched and rows that did not, over all cases.
    matched: usize,
    unmatched: usize,
}

async fn fill(repo: &Repo, backend: Backend, seed: u64) -> Vec<Sample> {
    let rows = (1..=ROWS).map(|id| sample(id, &mut Dice::of(seed, 0, id.unsigned_abs()), backend));
    repo.insert_all(rows).await.unwrap();
    // As the database has them.
    repo.all(from::<Sample>().order_by(|s| s.id.asc())).await.unwrap()
}

/// The question of a case.
fn question(seed: u64, case: u64, backend: Backend) -> Query<Sample> {
    let mut generator = Generator { dice: Dice::of(seed, 1, case), backend };
    let depth = generator.dice.roll(4);
    let mut query = from::<Sample>().filter(|s| generator.condition(s, depth));
    for _ in 0..generator.dice.roll(3) {
        query = query.order_by(|s| generator.sort(s));
    }
    if query.ast().shape.order_by.is_empty() { query.order_by(|s| s.id.asc()) } else { query }
}

/// Compares cases until one differs, which is told.
async fn compare(
    repo: &Repo,
    backend: Backend,
    semantics: Semantics,
    seed: u64,
    cases: u64,
) -> Result<Tally, String> {
    let samples = fill(repo, backend, seed).await;
    let rows: Vec<(i64, Vec<Value>)> =
        samples.iter().map(|sample| (sample.id, sample.dump())).collect();
    let mut tally = Tally::default();
    for case in 0..cases {
        let query = question(seed, case, backend);
        let plan = Plan::new(query.ast()).unwrap();
        let shape = &plan.ast.shape;
        let Some(evaluator) = Evaluator::new(shape, &plan.ast.params, semantics) else {
            tally.refused += 1;
            continue;
        };
        let mut mine: Vec<&(i64, Vec<Value>)> =
            rows.iter().filter(|(_, row)| evaluator.matches(row)).collect();
        mine.sort_by(|(_, left), (_, right)| evaluator.order(left, right));
        let mine: Vec<i64> = mine.into_iter().map(|(id, _)| *id).collect();
        let theirs = repo.all(query.clone().select(|s| s.id)).await;
        if theirs.as_ref().ok() != Some(&mine) {
            let differ = |id: &&Sample| {
                let theirs = theirs.as_ref().is_ok_and(|theirs| theirs.contains(&id.id));
                mine.contains(&id.id) != theirs
            };
            let differing: Vec<&Sample> = samples.iter().filter(differ).take(2).collect();
            return Err(format!(
                "seed {seed}, case {case}:\n{:?}\nevaluator {mine:?}\ndatabase  {theirs:?}\n{differing:#?}",
                query.ast()
            ));
        }
        tally.compared += 1;
        tally.matched += mine.len();
        tally.unmatched += rows.len() - mine.len();
    }
    Ok(tally)
}

/// Compares, and asserts that most was compared and that most of it was not trivial.
async fn agree(repo: &Repo, backend: Backend, least_percent: u64) {
    let seed = number("RECTO_SEED").unwrap_or(0x5eed);
    let cases = number("RECTO_EVALUATOR_CASES").unwrap_or(CASES);
    let tally = compare(repo, backend, repo.semantics(), seed, cases).await;
    let tally = tally.unwrap_or_else(|differing| panic!("{differing}"));
    println!("evaluator on {backend:?}: seed {seed}, {tally:?}");
    assert_eq!(tally.compared + tally.refused, cases);
    assert!(least_percent * cases <= tally.compared * 100, "too much was refused: {tally:?}");
    assert!(0 < tally.refused, "what the database alone can tell must be refused");
    let (matched, unmatched) = (tally.matched, tally.unmatched);
    assert!(
        matched < unmatched * 9 && unmatched < matched * 9,
        "conditions are trivial: {tally:?}"
    );
}

/// Plants wrong ideas about the database, one after the other, and sees each of them found.
async fn bites(repo: &Repo, backend: Backend) {
    let right = repo.semantics();
    let nulls = Semantics { nulls_greatest: !right.nulls_greatest, ..right };
    let like = Semantics { like_folds_ascii: !right.like_folds_ascii, ..right };
    for (wrong, seed) in [(nulls, 1), (like, 2)] {
        let tally = compare(repo, backend, wrong, seed, 1_000).await;
        assert!(tally.is_err(), "nobody noticed {wrong:?}: {tally:?}");
        repo.delete_all(from::<Sample>()).await.unwrap();
    }
}

/// A megabyte of letters of two bytes, compared, matched, counted and put in order.
async fn a_megabyte(repo: &Repo) {
    let long = "é".repeat(1 << 19);
    let longer = format!("{long}!");
    let texts = [long.clone(), longer, String::new(), "é".to_owned()];
    let rows =
        (1..).zip(texts).map(|(id, text)| Sample { id, text: Some(text), ..Sample::default() });
    repo.insert_all(rows).await.unwrap();
    let samples = repo.all(from::<Sample>().order_by(|s| s.id.asc())).await.unwrap();
    let all = from::<Sample>;
    let whole = long.clone();
    for query in [
        all().filter(|s| s.text.eq(whole)),
        all().filter(|s| s.text.like("%é%!")),
        all().filter(|s| s.text.length().eq(1 << 19)),
        all().filter(|s| s.text.gt(long)),
        all().filter(|s| s.text.is_not_null()).order_by(|s| s.text.desc()),
    ] {
        let plan = Plan::new(query.ast()).unwrap();
        let (shape, params) = (&plan.ast.shape, &plan.ast.params);
        let evaluator = Evaluator::new(shape, params, repo.semantics()).unwrap();
        let mut mine: Vec<&Sample> =
            samples.iter().filter(|sample| evaluator.matches(&sample.dump())).collect();
        mine.sort_by(|left, right| evaluator.order(&left.dump(), &right.dump()));
        let mine: Vec<i64> = mine.into_iter().map(|sample| sample.id).collect();
        let mut theirs = repo.all(query.clone().select(|s| s.id)).await.unwrap();
        if query.ast().shape.order_by.is_empty() {
            theirs.sort_unstable();
        }
        assert!(!mine.is_empty() && mine == theirs, "{mine:?}, not {theirs:?}");
    }
}

macro_rules! on_both {
    ($($test:ident: $case:expr;)*) => {$(
        mod $test {
            use super::*;

            #[tokio::test]
            async fn on_postgres() {
                let database = Cluster::shared().create_database();
                let repo = Repo::connect(database.url()).await.unwrap();
                repo.batch_sql(samples::POSTGRES).await.unwrap();
                let case: fn(_, _) -> _ = $case;
                case(repo, Backend::Postgres).await;
            }

            #[tokio::test]
            async fn on_sqlite() {
                let scratch = Scratch::new();
                let url = format!("sqlite://{}", scratch.path().join("samples.db").display());
                let repo = Repo::connect(url).await.unwrap();
                repo.batch_sql(samples::SQLITE).await.unwrap();
                let case: fn(_, _) -> _ = $case;
                case(repo, Backend::Sqlite).await;
            }
        }
    )*};
}

/// The least share of cases that is compared, in percent.
fn least(backend: Backend) -> u64 {
    match backend {
        Backend::Postgres => 60,
        Backend::Sqlite => 70,
    }
}

on_both! {
    the_evaluator_answers_as_the_database: |repo: Repo, backend| async move {
        agree(&repo, backend, least(backend)).await;
    };
    wrong_ideas_of_the_database_are_found: |repo: Repo, backend| async move {
        bites(&repo, backend).await;
    };
    a_megabyte_of_text: |repo: Repo, _| async move { a_megabyte(&repo).await };
}

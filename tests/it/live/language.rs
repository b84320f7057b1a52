//! The larger words of the query language, kept current: what the plain query answers, after every
//! write, and what cannot be live is refused by name.

use std::fmt::Debug;

use recto::live::Tier;
use recto::prelude::*;
use recto::query::order_by;
use recto::query::partition_by;
use recto::query::row_number;
use recto::query::scalar;

use crate::repo::Bench;
use crate::repo::schema::Author;
use crate::repo::schema::Book;

/// A live query beside the plain one.
struct Twin<S, O> {
    live: LiveQuery<O>,
    plain: Query<S, O>,
}

impl<S, O: Debug> Twin<S, O> {
    async fn of(live: &Live, plain: Query<S, O>) -> Self {
        Self { live: live.query(plain.clone()).await.unwrap(), plain }
    }

    async fn agree(&mut self, repo: &Repo, step: &str) {
        self.live.caught_up().await.unwrap();
        let told = |rows: &[O]| rows.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
        let mut held = told(self.live.rows());
        let mut truth = told(&repo.all(self.plain.clone()).await.unwrap());
        if self.plain.ast().shape.order_by.is_empty() {
            held.sort_unstable();
            truth.sort_unstable();
        }
        assert_eq!(held, truth, "{step}: {:?}", self.plain);
    }
}

/// How many books an author has: no table, a name for an answer.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "works")]
struct Work {
    #[schema(primary_key)]
    author: i64,
    books: i64,
}

fn works() -> Query<Book, (i64, i64)> {
    from::<Book>().group_by(|b| b.author_id).select(|b| (b.author_id, count()))
}

fn without_books() -> Query<Author> {
    from::<Author>()
        .filter(|a| exists(from::<Book>().filter(|b| b.author_id.eq(a.outer().id))).not())
}

fn book(author: i64, title: &str, pages: i16) -> Book {
    Book { author: BelongsTo::to(author), title: title.to_owned(), pages, ..Book::default() }
}

async fn answers_are_kept_current(bench: Bench) {
    let repo = &bench.repo;
    ChangeLog::new([Author::table(), Book::table()]).install(repo).await.unwrap();
    for name in ["ada", "bob", "cyd"] {
        repo.insert(Author { name: name.to_owned(), ..Author::default() }).await.unwrap();
    }
    let live = &Live::start(repo).await.unwrap();
    let mut silent = Twin::of(live, without_books()).await;
    let all_names = from::<Author>().select(|a| a.name);
    let mut all =
        Twin::of(live, all_names.clone().union_all(from::<Book>().select(|b| b.title))).await;
    let mut once = Twin::of(live, all_names.except(from::<Book>().select(|b| b.title))).await;
    let named = from::<Author>()
        .join_on::<Work>(|a, w| w.author.eq(a.id))
        .with::<Work, _, _>(works())
        .order_by(|a, w| (w.books.desc(), a.name.asc()))
        .select(|a, w| (a.name, w.books));
    let mut named = Twin::of(live, named).await;
    let ranked = from::<Book>().order_by(|b| (b.title.asc(), b.id.asc())).select(|b| {
        let place = row_number().over(partition_by(b.author_id).order_by(b.pages.desc()));
        (b.title, place, b.pages.sum().over(order_by(b.title.asc())))
    });
    let mut ranked = Twin::of(live, ranked).await;
    let counted = from::<Author>().order_by(|a| a.id.asc()).select(|a| {
        let mine = from::<Book>().filter(|b| b.author_id.eq(a.outer().id));
        (a.name, scalar(mine.select(|_| count())))
    });
    let mut counted = Twin::of(live, counted).await;
    let thick = from::<Book>()
        .filter(|b| (b.pages * 2).gt(100).and(fragment::<bool>("? <> 'x'", b.title)))
        .order_by(|b| b.title.asc());
    let mut thick = Twin::of(live, thick.select(|b| (b.title, b.pages + 1))).await;
    let mut short = Twin::of(
        live,
        from::<Book>().filter(|b| b.title.length().between(1, 4)).order_by(|b| b.pages.asc()),
    )
    .await;

    // Several results of one shape are read together, wherever their parameters stand.
    let mut alike = Vec::new();
    for pages in [10_i16, 50, 90] {
        let wide = move || from::<Book>().filter(move |b| b.pages.gt(pages));
        let readers = from::<Author>()
            .filter(|a| exists(wide().filter(|b| b.author_id.eq(a.outer().id))))
            .select(|a| a.id)
            .union_all(wide().select(|b| b.author_id));
        alike.push(Twin::of(live, readers).await);
    }
    let mut chains = Vec::new();
    for author in [1_i64, 2, 3] {
        let first = from::<Author>().filter(move |a| a.id.eq(author)).select(|a| (a.id, a.id));
        let rest = from::<Work>()
            .join_on::<Book>(move |w, b| b.author_id.eq(w.author + author))
            .select(|w, b| (w.author + 1, b.author_id));
        let chain = from::<Work>().with_recursive::<Work, _, _, _>(first, rest);
        chains.push(Twin::of(live, chain.select(|w| (w.author, w.books))).await);
    }

    let mut books = Vec::new();
    for step in 0..7 {
        match step {
            0 => books.push(repo.insert(book(1, "Notes", 20)).await.unwrap()),
            // The same title twice: two rows of one answer that nothing tells apart.
            1 => books.push(repo.insert(book(2, "Notes", 70)).await.unwrap()),
            2 => books.push(repo.insert(book(1, "ada", 80)).await.unwrap()),
            3 => {
                let first = books[0].clone();
                repo.update(Changeset::new(first).put(Book::pages, 99_i16)).await.unwrap();
            }
            4 => repo.delete(books[1].clone()).await.unwrap(),
            5 => {
                repo.transact(async |repo| {
                    repo.insert(book(3, "x", 300)).await?;
                    repo.delete(books[0].clone()).await
                })
                .await
                .unwrap();
            }
            _ => drop(repo.delete_all(from::<Book>()).await.unwrap()),
        }
        let step = format!("step {step}");
        silent.agree(repo, &step).await;
        all.agree(repo, &step).await;
        once.agree(repo, &step).await;
        named.agree(repo, &step).await;
        ranked.agree(repo, &step).await;
        counted.agree(repo, &step).await;
        thick.agree(repo, &step).await;
        short.agree(repo, &step).await;
        for twin in &mut alike {
            twin.agree(repo, &step).await;
        }
        for twin in &mut chains {
            twin.agree(repo, &step).await;
        }
    }
}

async fn dependencies_are_told_and_the_rest_is_refused(bench: Bench) {
    let repo = &bench.repo;
    ChangeLog::new([Author::table(), Book::table()]).install(repo).await.unwrap();
    let live = &Live::start(repo).await.unwrap();
    let silent = live.explain_live(&without_books()).unwrap();
    assert_eq!((silent.tier, silent.tables), (Tier::Rerun, vec!["authors", "books"]));
    let named = from::<Work>().with::<Work, _, _>(works());
    let named = live.explain_live(&named).unwrap();
    assert_eq!((named.tier, named.tables), (Tier::Rerun, vec!["books"]));
    let short =
        from::<Author>().filter(|a| a.name.length().lt(when(a.age.gt(3)).then(9_i64).otherwise(1)));
    assert_eq!(live.explain_live(&short).unwrap().tier, Tier::Row);

    let refused = async |query: Query<Author>| match live.query(query).await {
        Ok(_) => panic!("it is live"),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            error.what().to_owned()
        }
    };
    assert_eq!(
        refused(from::<Author>().filter(|a| exists(
            from::<Book>().filter(|b| b.inserted_at.lt(now()).and(b.author_id.eq(a.outer().id)))
        )))
        .await,
        "a live query on `books` cannot ask for `now()`, since its answer would change although no \
         row does: compute the time before, and pass it as a value"
    );
    assert_eq!(
        refused(from::<Author>().for_update()).await,
        "a live query on `authors` cannot lock rows: lock them in the transaction that writes"
    );
    assert_eq!(
        refused(from::<Author>().filter(|a| fragment("? < RANDOM()", a.age))).await,
        "the fragment `? < RANDOM()` of a live query says something else at each moment: compute \
         `random` before, and pass it as a value"
    );
    assert_eq!(
        refused(from::<Author>().filter(|a| fragment("? in (select 1)", a.id))).await,
        "the fragment `? in (select 1)` of a live query may read tables that nobody could watch: \
         say it with `exists`, `in_query` or `scalar`"
    );
    // What is refused to live queries can be asked.
    let past = from::<Book>().filter(|b| b.inserted_at.lt(now()));
    assert_eq!(repo.count(past).await.unwrap(), 0);
}

#[tokio::test]
async fn answers_are_kept_current_on_postgres() {
    answers_are_kept_current(crate::repo::postgres().await).await;
}

#[tokio::test]
async fn answers_are_kept_current_on_sqlite() {
    answers_are_kept_current(crate::repo::sqlite().await).await;
}

#[tokio::test]
async fn dependencies_are_told_and_the_rest_is_refused_on_postgres() {
    dependencies_are_told_and_the_rest_is_refused(crate::repo::postgres().await).await;
}

#[tokio::test]
async fn dependencies_are_told_and_the_rest_is_refused_on_sqlite() {
    dependencies_are_told_and_the_rest_is_refused(crate::repo::sqlite().await).await;
}

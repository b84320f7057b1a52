//! The larger words of the query language.

use recto::prelude::*;
use recto::query::dense_rank;
use recto::query::order_by;
use recto::query::partition_by;
use recto::query::rank;
use recto::query::row_number;
use recto::query::scalar;

use super::on_both;
use super::schema::Author;
use super::schema::Book;
use super::schema::Shelf;

on_both! {
    values_are_calculated
    numbers_that_do_not_fit_are_an_error
    choices_and_texts
    a_choice_sorts_as_what_it_chooses
    the_clock_is_the_databases
    fragments_take_columns_and_values
    groups_may_be_expressions_with_parameters
    questions_may_hold_questions
    answers_are_combined
    answers_have_names
    a_tree_is_walked
    windows_look_at_other_rows
    writes_take_the_whole_language
}

/// Four authors; ada has two books, bob one, cyd none.
async fn library(repo: &Repo) {
    for (name, age) in [("ada", Some(36)), ("bob", None), ("cyd", Some(20)), ("dot", Some(20))] {
        repo.insert(Author { name: name.to_owned(), age, ..Author::default() }).await.unwrap();
    }
    for (author, title, pages, price) in
        [(1_i64, "Notes", 20, "1.50"), (1, "Engines", 100, "12.25"), (2, "Ferns", 30, "3.00")]
    {
        let book = Book {
            author: BelongsTo::to(author),
            title: title.to_owned(),
            pages,
            price: Some(price.parse().unwrap()),
            ..Book::default()
        };
        repo.insert(book).await.unwrap();
    }
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

async fn values_are_calculated(repo: &Repo) {
    library(repo).await;
    let query = from::<Author>()
        .filter(|a| (a.id * 2 - 1).between(1, 3))
        .order_by(|a| (a.id * -1).asc())
        .select(|a| ((a.id + 10).named("ten"), a.age.coalesce(-1), (a.age + 1).named("older")));
    assert_eq!(repo.all(query).await.unwrap(), [(12, -1, None), (11, 36, Some(37))]);
    let prices = from::<Book>()
        .filter(|b| (b.price * decimal("2.0")).gt(decimal("5.99")))
        .order_by(|b| (b.price - decimal("0.25")).desc())
        .select(|b| (b.title, b.price + decimal("0.10")));
    assert_eq!(
        repo.all(prices).await.unwrap(),
        [
            ("Engines".to_owned(), Some(decimal("12.35"))),
            ("Ferns".to_owned(), Some(decimal("3.1")))
        ]
    );
}

async fn numbers_that_do_not_fit_are_an_error(repo: &Repo) {
    library(repo).await;
    let refused = async |query: Query<Author>| repo.all(query).await.unwrap_err().kind();
    let wide = from::<Author>().filter(|a| (a.id + i64::MAX).gt(0));
    assert_eq!(refused(wide).await, ErrorKind::Invalid);
    let narrow = from::<Author>().filter(|a| (a.age * i32::MAX).gt(0));
    assert_eq!(refused(narrow).await, ErrorKind::Invalid);
    let least = from::<Author>().filter(|a| (a.id - 2 - i64::MAX).eq(i64::MIN));
    assert_eq!(repo.all(least).await.unwrap().len(), 1);
    let pages = from::<Book>().select(|b| b.pages * 1000);
    assert_eq!(repo.all(pages).await.unwrap_err().kind(), ErrorKind::Invalid);
}

async fn choices_and_texts(repo: &Repo) {
    library(repo).await;
    let query = from::<Author>().order_by(|a| a.id.asc()).select(|a| {
        (
            when(a.age.gt(30)).then("old").otherwise(a.name.upper()).named("what"),
            when(a.age.is_null()).then(1_i64).or_null().named("ageless"),
            a.name.length(),
        )
    });
    let rows = repo.all(query).await.unwrap();
    assert_eq!(rows[0], ("old".to_owned(), None, 3));
    assert_eq!(rows[1], ("BOB".to_owned(), Some(1), 3));
    assert_eq!(rows[2], ("CYD".to_owned(), None, 3));
    let long = from::<Book>().filter(|b| b.title.length().gt(5).and(b.title.lower().like("eng%")));
    assert_eq!(repo.count(long).await.unwrap(), 1);
}

/// SQLite takes a collation that a condition names for that of the whole choice, unless told.
async fn a_choice_sorts_as_what_it_chooses(repo: &Repo) {
    library(repo).await;
    for title in ["9", "10"] {
        let price = Some(decimal("1.5"));
        let book =
            Book { author: BelongsTo::to(1), title: title.to_owned(), price, ..Book::default() };
        repo.insert(book).await.unwrap();
    }
    let query = from::<Book>()
        .filter(|b| b.pages.eq(0))
        .order_by(|b| when(b.price.gt(decimal("1"))).then(b.title).otherwise("x").asc())
        .select(|b| b.title);
    assert_eq!(repo.all(query).await.unwrap(), ["10", "9"]);
}

async fn the_clock_is_the_databases(repo: &Repo) {
    library(repo).await;
    let time = repo.one(from::<Author>().limit(1).select(|_| now())).await.unwrap().unwrap();
    let apart = time.as_micros().abs_diff(Timestamp::now().as_micros());
    assert!(apart < 60_000_000, "{time}");
    let past = from::<Book>().filter(|b| b.inserted_at.le(now()).not());
    assert!(repo.count(past).await.unwrap() <= 3);
}

async fn fragments_take_columns_and_values(repo: &Repo) {
    library(repo).await;
    let query = from::<Author>()
        .filter(|a| fragment::<bool>("? > 1 and ? = 'bob' or ? < ?", (a.id, a.name, a.age, 21)))
        .order_by(|a| fragment::<String>("replace(?, ?, '')", (a.name, "c")).desc())
        .select(|a| a.name);
    assert_eq!(repo.all(query).await.unwrap(), ["cyd", "dot", "bob"]);
    let empty = from::<Author>().filter(|_| fragment("1 = 0", ()));
    assert!(!repo.exists(empty).await.unwrap());
}

async fn groups_may_be_expressions_with_parameters(repo: &Repo) {
    library(repo).await;
    let query = from::<Author>()
        .group_by(|a| a.age.coalesce(20))
        .having(|a| a.age.coalesce(20).gt(0))
        .order_by(|a| a.age.coalesce(20).desc())
        .select(|a| ((a.age.coalesce(20) + 1).named("next"), count()));
    assert_eq!(repo.all(query.clone()).await.unwrap(), [(37, 1), (21, 3)]);
    assert_eq!(repo.count(query).await.unwrap(), 2);
    let early = from::<Author>()
        .select(|a| (a.name.like("%d%").named("has_d"), count()))
        .group_by(|a| a.name.like("%d%"))
        .order_by(|a| a.name.like("%d%").asc());
    assert_eq!(repo.all(early).await.unwrap(), [(false, 1), (true, 3)]);
}

async fn questions_may_hold_questions(repo: &Repo) {
    library(repo).await;
    let names = async |query: Query<Author>| {
        repo.all(query.order_by(|a| a.id.asc()).select(|a| a.name)).await.unwrap().join(" ")
    };
    let written = from::<Author>()
        .filter(|a| exists(from::<Book>().filter(|b| b.author_id.eq(a.outer().id))));
    assert_eq!(names(written.clone()).await, "ada bob");
    let silent = from::<Author>()
        .filter(|a| exists(from::<Book>().filter(|b| b.author_id.eq(a.outer().id))).not());
    assert_eq!(names(silent).await, "cyd dot");
    let long = from::<Book>().filter(|b| b.pages.gt(50)).select(|b| b.author_id);
    assert_eq!(names(from::<Author>().filter(|a| a.id.in_query(long.clone()))).await, "ada");
    assert_eq!(names(from::<Author>().filter(|a| a.id.in_query(long).not())).await, "bob cyd dot");
    // Nobody is known not to be among ages of which one is unknown.
    let ages = from::<Author>().filter(|a| a.id.le(2)).select(|a| a.age);
    assert_eq!(names(from::<Author>().filter(|a| a.age.in_query(ages).not())).await, "");
    let peers = from::<Author>().filter(|a| {
        exists(from::<Author>().filter(|other| {
            let a = a.outer();
            other.age.eq(a.age).and(other.id.ne(a.id)).and(exists(from::<Author>().filter(
                |third| {
                    third
                        .id
                        .eq(1)
                        .and(third.age.gt(other.outer().age))
                        .and(third.id.lt(a.outer().id))
                },
            )))
        }))
    });
    assert_eq!(names(peers).await, "cyd dot");
    let counted = from::<Author>().order_by(|a| a.id.asc()).limit(2).select(|a| {
        let mine = from::<Book>().filter(|b| b.author_id.eq(a.outer().id));
        let longest = mine.clone().order_by(|b| b.pages.desc()).limit(1).select(|b| b.title);
        (a.name, scalar(mine.select(|_| count())).named("count"), scalar(longest).named("longest"))
    });
    assert_eq!(
        repo.all(counted).await.unwrap(),
        [
            ("ada".to_owned(), Some(2), Some("Engines".to_owned())),
            ("bob".to_owned(), Some(1), Some("Ferns".to_owned()))
        ]
    );
    assert_eq!(repo.count(written).await.unwrap(), 2);
}

async fn answers_are_combined(repo: &Repo) {
    library(repo).await;
    let of = |from_id: i64, to: i64| from::<Author>().filter(move |a| a.id.between(from_id, to));
    let ids = async |query: Query<recto::query::Combined<Author>, Author>| {
        let rows = repo.all(query.order_by(|a| a.id.asc())).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(of(1, 2).union(of(2, 3))).await, [1, 2, 3]);
    assert_eq!(ids(of(1, 2).union_all(of(2, 3))).await, [1, 2, 2, 3]);
    assert_eq!(ids(of(1, 2).intersect(of(2, 3))).await, [2]);
    assert_eq!(ids(of(1, 2).except(of(2, 3))).await, [1]);
    // From left to right, although PostgreSQL binds `intersect` tighter.
    assert_eq!(ids(of(1, 1).union(of(2, 2)).intersect(of(2, 4))).await, [2]);
    assert_eq!(ids(of(1, 1).union(of(2, 2).intersect(of(2, 4)))).await, [1, 2]);
    let newest = of(1, 4).order_by(|a| a.id.desc()).limit(1);
    assert_eq!(ids(newest.union(of(1, 1)).filter(|a| a.id.gt(1))).await, [4]);
    let names = from::<Author>().select(|a| (a.name, a.id));
    let titles = from::<Book>().select(|b| (b.title, b.author_id));
    let all = names.union_all(titles).order_by(|row| (row.1.desc(), row.0.asc())).limit(4);
    let rows = repo.all(all.clone()).await.unwrap();
    assert_eq!(rows.iter().map(|row| &*row.0).collect::<Vec<_>>(), ["dot", "cyd", "Ferns", "bob"]);
    assert_eq!(repo.count(all).await.unwrap(), 4);
}

/// What an author has written: no table, a name for an answer.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "works")]
struct Work {
    #[schema(primary_key)]
    author: i64,
    books: i64,
    pages: Option<i64>,
}

async fn answers_have_names(repo: &Repo) {
    library(repo).await;
    let works =
        from::<Book>().group_by(|b| b.author_id).select(|b| (b.author_id, count(), b.pages.sum()));
    let query = from::<Author>()
        .join_on::<Work>(|a, w| w.author.eq(a.id))
        .with::<Work, _, _>(works.clone())
        .filter(|_, w| w.books.gt(1))
        .select(|a, w| (a.name, w.pages));
    assert_eq!(repo.all(query).await.unwrap(), [("ada".to_owned(), Some(120))]);
    let inside = from::<Author>()
        .with::<Work, _, _>(works)
        .filter(|a| a.id.in_query(from::<Work>().filter(|w| w.books.eq(1)).select(|w| w.author)))
        .select(|a| a.name);
    assert_eq!(repo.all(inside).await.unwrap(), ["bob"]);
    let first_of_each = from::<Work>()
        .with::<Work, _, _>(from::<Book>().select(|b| {
            let place = row_number().over(partition_by(b.author_id).order_by(b.pages.desc()));
            (b.author_id, place, b.pages.sum().over(partition_by(b.author_id)))
        }))
        .filter(|w| w.books.eq(1))
        .order_by(|w| w.author.asc());
    let rows = repo.all(first_of_each).await.unwrap();
    let rows: Vec<_> = rows.into_iter().map(|row| (row.author, row.pages)).collect();
    assert_eq!(rows, [(1, Some(120)), (2, Some(30))]);
}

/// A number that counts itself up.
#[derive(Schema, Clone, Debug, Default)]
#[schema(table = "steps")]
struct Step {
    id: i64,
}

async fn a_tree_is_walked(repo: &Repo) {
    library(repo).await;
    let first = from::<Author>().filter(|a| a.id.eq(1)).select(|a| a.id);
    let rest = from::<Step>().join_on::<Author>(|step, a| a.id.eq(step.id + 1)).select(|_, a| a.id);
    let query = from::<Step>().with_recursive::<Step, _, _, _>(first, rest);
    let steps = repo.all(query.order_by(|step| step.id.desc())).await.unwrap();
    assert_eq!(steps.into_iter().map(|step| step.id).collect::<Vec<_>>(), [4, 3, 2, 1]);
}

async fn windows_look_at_other_rows(repo: &Repo) {
    library(repo).await;
    let query = from::<Author>().order_by(|a| a.id.asc()).select(|a| {
        let by_age = || order_by(a.age.asc().nulls_last());
        (
            row_number().over(by_age()),
            rank().over(by_age()),
            dense_rank().over(by_age()),
            a.name.lag(1).over(order_by(a.id.asc())),
            a.name.lead(2).over(order_by(a.id.asc())),
            a.id.sum().over(order_by(a.id.asc())),
            count().over(partition_by(a.age)),
        )
    });
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        repo.all(query).await.unwrap(),
        [
            (3, 3, 2, None, text("cyd"), Some(1), 1),
            (4, 4, 3, text("ada"), text("dot"), Some(3), 1),
            (1, 1, 1, text("bob"), None, Some(6), 2),
            (2, 1, 1, text("cyd"), None, Some(10), 2),
        ]
    );
    let share = from::<Book>()
        .group_by(|b| b.author_id)
        .order_by(|b| b.author_id.asc())
        .select(|b| (b.author_id, row_number().over(order_by(b.pages.sum().desc()))));
    assert_eq!(repo.all(share).await.unwrap(), [(1, 1), (2, 2)]);
}

async fn writes_take_the_whole_language(repo: &Repo) {
    library(repo).await;
    for number in 1..=3 {
        let label = if number == 2 { "ada" } else { "nobody" };
        let shelf = Shelf { hall: "h".to_owned(), number, label: label.to_owned() };
        repo.insert(shelf).await.unwrap();
    }
    let unknown = from::<Shelf>().filter(|s| {
        exists(from::<Author>().filter(|a| a.name.eq(s.outer().label)))
            .not()
            .and(fragment::<bool>("? <> ?", (s.number, 3)))
    });
    assert_eq!(repo.delete_all(unknown).await.unwrap(), 1);
    let left = from::<Shelf>().order_by(|s| s.number.asc()).select(|s| s.number);
    assert_eq!(repo.all(left.clone()).await.unwrap(), [2, 3]);

    // Answers with a name tell which rows are changed; their own rows cannot be.
    let works =
        from::<Book>().group_by(|b| b.author_id).select(|b| (b.author_id, count(), b.pages.sum()));
    let busy = from::<Work>()
        .join_on::<Author>(|w, a| a.id.eq(w.author))
        .filter(|w, _| w.books.eq(2))
        .select(|_, a| a.name);
    let named =
        from::<Shelf>().with::<Work, _, _>(works.clone()).filter(|s| s.label.in_query(busy));
    assert_eq!(repo.delete_all(named).await.unwrap(), 1);
    assert_eq!(repo.all(left).await.unwrap(), [3]);
    let error = repo.delete_all(from::<Work>().with::<Work, _, _>(works)).await.unwrap_err();
    assert_eq!(error.what(), "query on `works` reads an answer, which cannot be changed");
}

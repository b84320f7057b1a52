//! Reading and writing rows.

use recto::prelude::*;

use super::on_both;
use super::schema::Author;
use super::schema::Book;
use super::schema::Shelf;
use super::schema::Writer;

on_both! {
    a_row_goes_in_and_comes_back_whole
    an_update_sends_only_what_changed
    questions_are_answered
    joins_and_groups_are_answered
    rows_of_a_left_join_may_be_missing
    associations_are_loaded_with_one_more_statement
    composite_keys_work
    many_rows_at_once
    getting_and_fetching
    raw_sql_is_an_escape
    lists_may_be_empty_and_null_is_not_equal
}

async fn author(repo: &Repo, name: &str, age: Option<i32>) -> Author {
    repo.insert(Author { name: name.to_owned(), age, ..Author::default() }).await.unwrap()
}

async fn book(repo: &Repo, author: &Author, title: &str, pages: i16) -> Book {
    let book = Book {
        author: BelongsTo::to(author.id),
        title: title.to_owned(),
        pages,
        ..Book::default()
    };
    repo.insert(book).await.unwrap()
}

async fn a_row_goes_in_and_comes_back_whole(repo: &Repo) {
    let ada = author(repo, "Ada Lovelace — 数", Some(36)).await;
    let before = Timestamp::now();
    let new = Book {
        author: BelongsTo::to(ada.id),
        title: "Notes\u{1f4d6}'\"; drop table books".to_owned(),
        pages: -3,
        weight: Some(-0.1),
        price: Some("79228162514264337593543950335".parse().unwrap()),
        sold: true,
        cover: Some(vec![0, 255, 7]),
        printed: Some("1843-10-01".parse().unwrap()),
        opens: Some("23:59:59.999999".parse().unwrap()),
        extra: Some(serde_json::json!({"a": [1, null, "é"]})),
        ..Book::default()
    };
    let stored = repo.insert(new.clone()).await.unwrap();
    assert_ne!(stored.id, Uuid::nil(), "the repo makes a key");
    assert!(before <= stored.inserted_at && stored.inserted_at == stored.updated_at);
    let read = repo.fetch::<Book>(stored.id).await.unwrap();
    assert_eq!(read.title, new.title);
    assert_eq!((read.pages, read.weight, read.price), (new.pages, new.weight, new.price));
    assert_eq!((read.sold, &read.cover, read.printed), (true, &new.cover, new.printed));
    assert_eq!((read.opens, read.extra), (new.opens, new.extra));
    assert_eq!(*read.author.id(), ada.id);
}

async fn an_update_sends_only_what_changed(repo: &Repo) {
    let ada = author(repo, "ada", Some(30)).await;
    // Somebody else changes another column meanwhile.
    repo.execute_sql("update authors set age = 31", []).await.unwrap();
    let renamed = repo.update(Changeset::new(ada.clone()).put(Author::name, "Ada")).await.unwrap();
    assert_eq!(renamed, Author { id: ada.id, name: "Ada".to_owned(), age: Some(31) });

    let same = Changeset::new(renamed.clone()).put(Author::name, "Ada");
    assert!(!same.has_changes());
    assert_eq!(repo.update(same).await.unwrap(), renamed);

    let notes = book(repo, &ada, "Notes", 20).await;
    let edited = repo.update(Changeset::new(notes.clone()).put(Book::pages, 21_i16)).await.unwrap();
    assert_eq!(edited.inserted_at, notes.inserted_at);
    assert!(notes.updated_at < edited.updated_at, "the repo keeps `updated_at`");

    repo.delete(edited.clone()).await.unwrap();
    let gone = repo.update(Changeset::new(edited).put(Book::pages, 22_i16)).await.unwrap_err();
    assert_eq!(Error::from(gone).kind(), ErrorKind::Stale);
}

async fn questions_are_answered(repo: &Repo) {
    for (name, age) in [("ada", Some(36)), ("bob", None), ("cyd", Some(20)), ("dot_", Some(50))] {
        author(repo, name, age).await;
    }
    let names = async |query: Query<Author>| -> String {
        let mut rows = repo.all(query).await.unwrap();
        rows.sort_by(|left, right| left.name.cmp(&right.name));
        rows.into_iter().map(|row| row.name).collect::<Vec<_>>().join(" ")
    };
    let authors = from::<Author>;
    assert_eq!(names(authors().filter(|a| a.age.gt(20))).await, "ada dot_");
    assert_eq!(names(authors().filter(|a| a.age.le(20).or(a.age.is_null()))).await, "bob cyd");
    assert_eq!(names(authors().filter(|a| a.age.ne(36))).await, "cyd dot_");
    assert_eq!(names(authors().filter(|a| a.age.eq(36).not())).await, "cyd dot_");
    assert_eq!(names(authors().filter(|a| a.name.in_(["ada", "cyd"]))).await, "ada cyd");
    assert_eq!(names(authors().filter(|a| a.name.in_(["ada"]).not())).await, "bob cyd dot_");
    assert_eq!(names(authors().filter(|a| a.name.like("%d%"))).await, "ada cyd dot_");
    assert_eq!(names(authors().filter(|a| a.name.like("%\\_"))).await, "dot_");
    assert_eq!(names(authors().filter(|a| a.name.ilike("A%"))).await, "ada");
    assert_eq!(names(authors().filter_opt(None::<i64>, |a, id| a.id.eq(id))).await.len(), 16);
    let oldest = authors().order_by(|a| a.age.desc().nulls_last()).limit(2).offset(1);
    assert_eq!(names(oldest).await, "ada cyd");
    assert_eq!(repo.count(authors().filter(|a| a.age.is_not_null())).await.unwrap(), 3);
    assert_eq!(repo.count(authors().limit(2)).await.unwrap(), 2);
    assert!(repo.exists(authors().filter(|a| a.name.eq("bob"))).await.unwrap());
    assert!(!repo.exists(authors().filter(|a| a.name.eq("eve"))).await.unwrap());
    let error = repo.one(authors()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "invalid: more than one row of `authors` where one was asked for"
    );
}

async fn joins_and_groups_are_answered(repo: &Repo) {
    let (ada, bob) = (author(repo, "ada", None).await, author(repo, "bob", Some(9)).await);
    for (who, title, pages) in [(&ada, "x", 10), (&ada, "y", 30), (&bob, "z", 5)] {
        book(repo, who, title, pages).await;
    }
    let titles = from::<Book>()
        .join(Book::author)
        .filter(|b, a| a.name.eq("ada").and(b.pages.lt(20)))
        .select(|b, a| (a.name, b.title));
    assert_eq!(repo.all(titles).await.unwrap(), [("ada".to_owned(), "x".to_owned())]);

    let per_author = from::<Book>()
        .join(Book::author)
        .group_by(|_, a| a.name)
        .having(|b, _| b.id.count().gt(1))
        .select(|b, a| {
            (
                a.name,
                count(),
                b.pages.sum(),
                b.pages.min(),
                b.pages.max().named("most"),
                b.pages.avg(),
            )
        });
    assert_eq!(
        repo.all(per_author).await.unwrap(),
        [("ada".to_owned(), 2, Some(40), Some(10), Some(30), Some(20.0))]
    );

    let pairs = from::<Author>()
        .join_on::<Author>(|one, other| one.id.lt(other.id))
        .select(|one, other| (one, other.name.named("other")));
    let pairs = repo.all(pairs).await.unwrap();
    assert_eq!((pairs[0].0.name.as_str(), pairs[0].1.as_str()), ("ada", "bob"));
    let none = from::<Book>().filter(|b| b.pages.gt(99)).select(|b| (b.pages.sum(), b.price.avg()));
    assert_eq!(repo.one(none).await.unwrap(), Some((None, None)));
    let pages = from::<Book>().distinct().select(|b| b.author_id);
    assert_eq!(repo.all(pages).await.unwrap().len(), 2);
}

async fn rows_of_a_left_join_may_be_missing(repo: &Repo) {
    let ada = author(repo, "ada", None).await;
    author(repo, "bob", None).await;
    book(repo, &ada, "x", 10).await;
    let all = from::<Writer>()
        .left_join(Writer::books)
        .order_by(|w, _| w.name.asc())
        .select(|w, b| (w.name, b.title));
    assert_eq!(
        repo.all(all).await.unwrap(),
        [("ada".to_owned(), Some("x".to_owned())), ("bob".to_owned(), None)]
    );
}

async fn associations_are_loaded_with_one_more_statement(repo: &Repo) {
    let ada = author(repo, "ada", None).await;
    author(repo, "bob", None).await;
    book(repo, &ada, "x", 10).await;
    book(repo, &ada, "y", 11).await;
    let writers = from::<Writer>().order_by(|w| w.name.asc()).preload(Writer::books);
    let writers = repo.all(writers).await.unwrap();
    assert_eq!(writers[0].books.get().unwrap().len(), 2);
    assert_eq!(writers[1].books.get().unwrap().len(), 0);
    let mut books = repo.all(from::<Book>()).await.unwrap();
    assert!(books[0].author.get().is_none(), "nothing is loaded behind one's back");
    repo.preload(&mut books, Book::author).await.unwrap();
    assert_eq!(books[1].author.get().unwrap().name, "ada");
}

async fn composite_keys_work(repo: &Repo) {
    let shelf = Shelf { hall: "north".to_owned(), number: 7, label: "maps".to_owned() };
    repo.insert(shelf.clone()).await.unwrap();
    let key = ("north".to_owned(), 7);
    assert_eq!(repo.get::<Shelf>(key.clone()).await.unwrap(), Some(shelf.clone()));
    let moved = Changeset::new(shelf).put(Shelf::number, 8).put(Shelf::label, "charts");
    let moved = repo.update(moved).await.unwrap();
    assert_eq!(moved.number, 8, "a key may be changed");
    assert_eq!(repo.get::<Shelf>(key).await.unwrap(), None);
    assert_eq!(repo.reload(&moved).await.unwrap().label, "charts");
    repo.delete(moved).await.unwrap();
    assert_eq!(repo.count(from::<Shelf>()).await.unwrap(), 0);
}

async fn many_rows_at_once(repo: &Repo) {
    let many =
        (0..2500).map(|n| Author { name: format!("n{n}"), age: Some(n % 90), ..Author::default() });
    assert_eq!(repo.insert_all(many).await.unwrap(), 2500);
    let old = from::<Author>().filter(|a| a.age.ge(80));
    let old_count = repo.count(old.clone()).await.unwrap();
    let sets = ((Author::age, Some(80)),);
    assert_eq!(
        i64::try_from(repo.update_all(old.clone(), sets).await.unwrap()).unwrap(),
        old_count
    );
    let first = from::<Author>().order_by(|a| a.id.asc()).limit(10);
    assert_eq!(repo.delete_all(first).await.unwrap(), 10);
    assert_eq!(repo.count(from::<Author>()).await.unwrap(), 2490);
    // All or none.
    let twice = ["same", "same"].map(|name| Author { name: name.to_owned(), ..Author::default() });
    assert!(repo.insert_all(twice).await.is_err());
    assert_eq!(repo.get_by(Author::name, "same").await.unwrap(), None);
    assert_eq!(repo.insert_all(Vec::<Author>::new()).await.unwrap(), 0);
}

async fn getting_and_fetching(repo: &Repo) {
    let ada = author(repo, "ada", None).await;
    assert_eq!(repo.get::<Author>(ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(repo.get_by(Author::name, "ada").await.unwrap(), Some(ada.clone()));
    assert_eq!(repo.get::<Author>(ada.id + 1).await.unwrap(), None);
    let missing = repo.fetch::<Author>(77).await.unwrap_err();
    assert_eq!(missing.to_string(), "not found: no row of `authors` has the key 77");
    repo.delete(ada.clone()).await.unwrap();
    let twice = Error::from(repo.delete(ada.clone()).await.unwrap_err());
    assert_eq!(twice.kind(), ErrorKind::Stale);
    assert_eq!(repo.reload(&ada).await.unwrap_err().kind(), ErrorKind::NotFound);
}

async fn raw_sql_is_an_escape(repo: &Repo) {
    author(repo, "ada", Some(36)).await;
    let is_postgres = repo.database() == "PostgreSQL";
    let sql = if is_postgres {
        "select name, age from authors where name = $1"
    } else {
        "select name, age from authors where name = ?1"
    };
    let rows = repo.query_sql(sql, ["ada".into()]).await.unwrap();
    assert_eq!(rows[0].values(), [Value::from("ada"), Value::from(36)]);
    let injected = repo.query_sql(sql, ["' or 1 = 1 --".into()]).await.unwrap();
    assert!(injected.is_empty());
    let error = repo.query_sql("selekt 1", []).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.chain().to_string().contains("selekt"), "{}", error.chain());
}

async fn lists_may_be_empty_and_null_is_not_equal(repo: &Repo) {
    author(repo, "ada", None).await;
    let nobody = Vec::<i64>::new();
    assert_eq!(repo.count(from::<Author>().filter(|a| a.id.in_(nobody.clone()))).await.unwrap(), 0);
    let all = from::<Author>().filter(|a| a.id.in_(nobody.clone()).not());
    assert_eq!(repo.count(all).await.unwrap(), 1);
    assert_eq!(repo.count(from::<Author>().filter(|a| a.age.eq(0).not())).await.unwrap(), 0);
}

//! What the databases refuse comes back as errors of fields, or as errors that say what to do.

use recto::prelude::*;

use super::on_both;
use super::schema::Author;
use super::schema::Book;

on_both! {
    broken_constraints_become_errors_of_fields
    an_undeclared_constraint_is_an_error_that_tells_the_rule
    values_that_do_not_fit_name_their_column
}

async fn broken_constraints_become_errors_of_fields(repo: &Repo) {
    let ada = Author { name: "ada".to_owned(), ..Author::default() };
    repo.insert(ada.clone()).await.unwrap();
    let errors = async |changeset: Changeset<Author>| match repo.insert(changeset).await {
        Err(WriteError::Invalid(changeset)) => changeset.errors_json().to_string(),
        other => panic!("{other:?}"),
    };
    let taken = Changeset::new(ada.clone()).unique_constraint(Author::name);
    assert_eq!(errors(taken).await, r#"{"name":["has already been taken"]}"#);
    let old =
        Changeset::new(Author { name: "old".to_owned(), age: Some(200), ..Author::default() })
            .check_constraint(Author::age, "age_is_possible");
    assert_eq!(errors(old).await, r#"{"age":["is invalid"]}"#);

    let orphan = Book { author: BelongsTo::to(99), title: "x".to_owned(), ..Book::default() };
    let orphan = Changeset::new(orphan).foreign_key_constraint(Book::author_id);
    match repo.insert(orphan).await {
        Err(WriteError::Invalid(changeset)) => {
            assert_eq!(changeset.errors_json().to_string(), r#"{"author_id":["does not exist"]}"#);
        }
        other => panic!("{other:?}"),
    }
}

async fn an_undeclared_constraint_is_an_error_that_tells_the_rule(repo: &Repo) {
    let ada = Author { name: "ada".to_owned(), ..Author::default() };
    repo.insert(ada.clone()).await.unwrap();
    match repo.insert(ada).await {
        Err(WriteError::Failed(error)) => {
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(error.violation().unwrap().rule, recto::error::Rule::Unique);
            assert!(!error.is_retryable());
        }
        other => panic!("{other:?}"),
    }
}

async fn values_that_do_not_fit_name_their_column(repo: &Repo) {
    let odd = Book { title: "nul\0".to_owned(), ..Book::default() };
    let error = Error::from(repo.insert(odd).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
    let pattern = from::<Author>().filter(|a| a.name.like("half\\"));
    let error = repo.all(pattern).await.unwrap_err();
    assert_eq!(error.to_string(), r"invalid: pattern `half\` ends with a lone `\`: double it");
    let twice = from::<Author>().select(|a| (a.name, a.name));
    let error = repo.all(twice).await.unwrap_err();
    assert!(error.what().contains("two columns named `name`"), "{error}");
}

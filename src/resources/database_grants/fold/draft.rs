//! Rules in the making: joined where they say the same of several schemas, then written as a plan file writes them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::rules::{Future, field};
use crate::model::{Attributes, Value};
use crate::postgres::{LetterSet, ObjectName, ObjectType, quote_ident};

/// Columns by table and privilege.
pub(super) type Columns = BTreeMap<String, BTreeMap<&'static str, BTreeSet<String>>>;

/// What a role holds, as rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded {
    /// The rules, in the words of a plan file, without role and database.
    pub rules: Vec<FoldedRule>,
    /// What no rule can say, in whole sentences.
    pub remarks: Vec<String>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldedRule {
    /// Its fields.
    pub rule: Attributes,
    /// Why it is written as it is, where there was a choice.
    pub why: Option<&'static str>,
}

/// A rule without its schemas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) option: bool,
    pub(super) future: Future,
    pub(super) fields: BTreeMap<&'static str, Vec<&'static str>>,
    pub(super) columns: Columns,
    pub(super) languages: BTreeSet<String>,
    pub(super) only: Vec<String>,
    pub(super) except: Vec<String>,
    pub(super) why: Option<&'static str>,
}

impl Draft {
    /// Wants these letters on a kind; nothing where there are none.
    pub(super) fn words(&mut self, kind: ObjectType, letters: LetterSet) {
        self.words_of_its_own(kind, letters, false);
    }

    /// The same; `even_none` writes that a kind is left out.
    pub(super) fn words_of_its_own(&mut self, kind: ObjectType, letters: LetterSet, even_none: bool) {
        if let Some(field) = field(kind).filter(|_| even_none || !letters.is_empty()) {
            self.fields.insert(field, kind.words(letters));
        }
    }

    fn plain(&self) -> bool {
        self.only.is_empty() && self.except.is_empty()
    }

    fn rule(self, schemas: &Where) -> FoldedRule {
        let texts = |list: Vec<String>| Value::List(list.into_iter().map(Value::Text).collect());
        let mut rule = Attributes::new();
        match schemas {
            Where::Outside => {}
            Where::Everywhere => _ = rule.insert("schemas".to_owned(), Value::text("*")),
            Where::In(names) => _ = rule.insert("schemas".to_owned(), texts(names.iter().cloned().collect())),
        }
        for (field, words) in self.fields {
            rule.insert(field.to_owned(), texts(words.into_iter().map(str::to_owned).collect()));
        }
        let columns = self.columns.into_iter().map(|(table, by_word)| {
            let words = by_word.into_iter().map(|(word, names)| (word.to_owned(), texts(names.into_iter().collect())));
            (table, Value::Map(words.collect()))
        });
        let columns: Attributes = columns.collect();
        let mut list = |name: &str, list: Vec<String>| {
            if !list.is_empty() {
                rule.insert(name.to_owned(), texts(list));
            }
        };
        list("languages", self.languages.into_iter().collect());
        list("only", self.only);
        list("except", self.except);
        if let Future::By(creators) = &self.future {
            list("future", creators.iter().cloned().collect());
        }
        if self.future == Future::Found {
            rule.insert("future".to_owned(), Value::Bool(true));
        }
        if !columns.is_empty() {
            rule.insert("columns".to_owned(), Value::Map(columns));
        }
        if self.option {
            rule.insert("grant_option".to_owned(), Value::Bool(true));
        }
        FoldedRule { rule, why: self.why }
    }
}

/// The schemas of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Where {
    /// None: it is about the database, languages, large objects, or columns, whose tables name theirs.
    Outside,
    Everywhere,
    In(BTreeSet<String>),
}

/// All rules, in the order in which they came.
#[derive(Default)]
pub(super) struct Drafts {
    drafts: Vec<(Draft, Where)>,
    remarks: Vec<String>,
}

impl Drafts {
    /// Adds a rule about one schema; equal ones become one about several.
    pub(super) fn add(&mut self, draft: Draft, schema: &str) {
        let same = |(other, at): &&mut (Draft, Where)| *other == draft && matches!(at, Where::In(_));
        if let Some((_, Where::In(schemas))) = self.drafts.iter_mut().find(same) {
            schemas.insert(schema.to_owned());
        } else {
            self.drafts.push((draft, Where::In(BTreeSet::from([schema.to_owned()]))));
        }
    }

    /// Adds a rule about every schema.
    pub(super) fn add_everywhere(&mut self, draft: Draft) {
        self.drafts.push((draft, Where::Everywhere));
    }

    /// Adds a rule that needs no schema.
    pub(super) fn add_outside(&mut self, draft: Draft) {
        self.drafts.push((draft, Where::Outside));
    }

    /// Adds what needs no schema to the first rule that counts alike and is about whole schemas; else as a rule of its own.
    pub(super) fn join_first(&mut self, more: Draft) {
        let fits =
            |(draft, at): &&mut (Draft, Where)| draft.option == more.option && draft.plain() && *at != Where::Outside;
        match self.drafts.iter_mut().find(fits) {
            Some((draft, _)) => {
                draft.fields.extend(more.fields);
                draft.languages.extend(more.languages);
            }
            None => self.add_outside(more),
        }
    }

    /// Says what no rule can say.
    pub(super) fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }

    pub(super) fn folded(self) -> Folded {
        let rules = self.drafts.into_iter().map(|(draft, at)| draft.rule(&at)).collect();
        Folded { rules, remarks: self.remarks }
    }
}

/// A name as a selector takes it literally: in quotes where it holds a mark that selectors know.
pub(super) fn part(name: &str) -> String {
    let marked = name.is_empty() || name.contains(['.', '(', ')', '*', '"']);
    if marked { quote_ident(name) } else { name.to_owned() }
}

/// What names exactly this object, within its schema.
pub(super) fn selector(name: &ObjectName) -> String {
    let own = part(&name.name);
    match name.kind {
        ObjectType::Function | ObjectType::Procedure => format!("{own}({})", name.inner),
        _ => own,
    }
}

//! The formatter: one layout for all plan files, moving spaces and line breaks, never keys, values or comments.

use toml::de::DeTable;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, KeyMut, RawString, Table, Value};

use super::syntax;
use crate::model::Finding;

/// Lays a plan file out: one space around `=`, no indentation but inside lists that span lines (two spaces a level), a
/// blank line before each table header, never two. Order, comments and the spelling of values stay. Doing it twice is
/// doing it once. `None`: it cannot be laid out without moving more than spaces, as where keys of one dotted table stand
/// apart.
pub fn format(text: &str) -> Result<Option<String>, Vec<Finding>> {
    let (_, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().map(syntax).collect());
    }
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| {
        vec![Finding::error("syntax", format!("not TOML: {}", error.message()), error.span().map(Into::into))]
    })?;
    let laid_out = lay_out(&mut document);
    let same = toml::from_str::<toml::Table>(text).ok() == toml::from_str::<toml::Table>(&laid_out).ok();
    Ok((same && rest(text) == rest(&laid_out)).then_some(laid_out))
}

/// All that a layout may not touch, in its order. Commas move where a list gets a line for each element, so that they are
/// left out; what they part is compared by its meaning.
fn rest(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect()
}

fn lay_out(document: &mut DocumentMut) -> String {
    table(document.as_table_mut());
    let trailing = lines(document.trailing(), false);
    document.set_trailing(trailing);
    format!("{}\n", document.to_string().trim_start_matches('\n').trim_end())
}

fn raw(raw: Option<&RawString>) -> &str {
    raw.and_then(RawString::as_str).unwrap_or_default()
}

/// Whole lines of comments and single blank lines, flush left. `apart` puts a blank line first.
fn lines(decor: &RawString, apart: bool) -> String {
    let text = decor.as_str().unwrap_or_default();
    let mut out = if apart { "\n".to_owned() } else { String::new() };
    let mut blank = apart;
    for line in text.split_inclusive('\n') {
        let whole = line.ends_with('\n');
        let line = line.trim();
        if !line.is_empty() {
            out.push_str(line);
            out.push('\n');
            blank = false;
        } else if whole && !blank {
            out.push('\n');
            blank = true;
        }
    }
    out
}

/// A comment at the end of a line, one space away.
fn end_of_line(text: &str) -> String {
    let comment = text.trim();
    if comment.is_empty() { String::new() } else { format!(" {comment}") }
}

fn table(table: &mut Table) {
    let prefix = lines(table.decor().prefix().unwrap_or(&RawString::default()), true);
    let suffix = end_of_line(raw(table.decor().suffix()));
    table.decor_mut().set_prefix(prefix);
    table.decor_mut().set_suffix(suffix);
    let mut first = true;
    keys(table, &mut first);
}

/// The keys of a table, those of its dotted tables included.
fn keys(table: &mut Table, first: &mut bool) {
    for (mut key, item) in table.iter_mut() {
        key.dotted_decor_mut().clear();
        match item {
            Item::Value(value) => {
                key_line(&mut key, *first);
                *first = false;
                let comment = end_of_line(raw(value.decor().suffix()));
                layout(value, 0);
                value.decor_mut().set_prefix(" ");
                value.decor_mut().set_suffix(comment);
            }
            Item::Table(inner) if inner.is_dotted() => keys(inner, first),
            Item::Table(inner) => {
                key.leaf_decor_mut().clear();
                self::table(inner);
            }
            Item::ArrayOfTables(list) => {
                key.leaf_decor_mut().clear();
                tables(list);
            }
            Item::None => {}
        }
    }
}

fn tables(list: &mut ArrayOfTables) {
    list.iter_mut().for_each(table);
}

fn key_line(key: &mut KeyMut<'_>, first: bool) {
    let prefix = lines(key.leaf_decor().prefix().unwrap_or(&RawString::default()), false);
    let prefix = if first { prefix.trim_start_matches('\n').to_owned() } else { prefix };
    key.leaf_decor_mut().set_prefix(prefix);
    key.leaf_decor_mut().set_suffix(" ");
}

/// Lays the inside of a value out. Its own surroundings are the caller's.
fn layout(value: &mut Value, depth: usize) {
    match value {
        Value::Array(array) => list(array, depth),
        Value::InlineTable(table) => inline(table, depth),
        _ => {}
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}

/// What stands between two elements that have a line each: a comment that ends the line before, comments on their own
/// lines, then the indentation.
fn between(text: &str, depth: usize) -> String {
    let mut out = String::new();
    for (number, line) in text.split('\n').map(str::trim).enumerate() {
        if !line.is_empty() {
            if number == 0 {
                out.push(' ');
            } else {
                out.push('\n');
                out.push_str(&indent(depth));
            }
            out.push_str(line);
        }
    }
    format!("{out}\n{}", indent(depth))
}

/// What stands after an element and before its comma: nothing, unless there is a comment.
fn behind(text: &str, depth: usize) -> String {
    if text.contains('#') { between(text, depth) } else { String::new() }
}

fn list(array: &mut Array, depth: usize) {
    let breaks =
        |value: &Value| raw(value.decor().prefix()).contains('\n') || raw(value.decor().suffix()).contains('\n');
    let open = array.iter().any(breaks) || array.trailing().as_str().unwrap_or_default().contains('\n');
    let trailing = array.trailing().as_str().unwrap_or_default().to_owned();
    if array.is_empty() {
        array.set_trailing(behind(&trailing, depth));
        return;
    }
    for (number, value) in array.iter_mut().enumerate() {
        let (prefix, suffix) = (raw(value.decor().prefix()).to_owned(), raw(value.decor().suffix()).to_owned());
        layout(value, if open { depth + 1 } else { depth });
        let single = if number == 0 { String::new() } else { " ".to_owned() };
        value.decor_mut().set_prefix(if open { between(&prefix, depth + 1) } else { single });
        value.decor_mut().set_suffix(if open { behind(&suffix, depth + 1) } else { String::new() });
    }
    array.set_trailing_comma(open);
    array.set_trailing(if open { closing(&trailing, depth) } else { String::new() });
}

/// What stands before a closing bracket on a line of its own; comments there belong to the elements.
fn closing(text: &str, depth: usize) -> String {
    let inner = between(text, depth + 1);
    format!("{}\n{}", inner.trim_end(), indent(depth))
}

fn inline(table: &mut InlineTable, depth: usize) {
    let trailing = table.trailing().as_str().unwrap_or_default().to_owned();
    let open = trailing.contains('\n') || breaks(table);
    if table.is_empty() {
        table.set_trailing(behind(&trailing, depth));
        return;
    }
    entries(table, depth, open);
    table.set_trailing_comma(open);
    table.set_trailing(if open { closing(&trailing, depth) } else { " ".to_owned() });
}

/// Whether an inline table spans lines (a line break inside one of its values does not count).
fn breaks(table: &InlineTable) -> bool {
    table.iter().any(|(name, value)| {
        let nested = matches!(value, Value::InlineTable(inner) if inner.is_dotted() && breaks(inner));
        let key = table.key(name).is_some_and(|key| raw(key.leaf_decor().prefix()).contains('\n'));
        key || nested || raw(value.decor().suffix()).contains('\n')
    })
}

fn entries(table: &mut InlineTable, depth: usize, open: bool) {
    for (mut key, value) in table.iter_mut() {
        key.dotted_decor_mut().clear();
        if let Value::InlineTable(inner) = value
            && inner.is_dotted()
        {
            entries(inner, depth, open);
            continue;
        }
        let prefix = raw(key.leaf_decor().prefix()).to_owned();
        let suffix = raw(value.decor().suffix()).to_owned();
        layout(value, if open { depth + 1 } else { depth });
        key.leaf_decor_mut().set_prefix(if open { between(&prefix, depth + 1) } else { " ".to_owned() });
        key.leaf_decor_mut().set_suffix(" ");
        value.decor_mut().set_prefix(" ");
        value.decor_mut().set_suffix(if open { behind(&suffix, depth + 1) } else { String::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plans;
    use super::{format, rest};
    use proptest::prelude::*;

    #[test]
    fn every_plan_is_laid_out_already() {
        for (name, text) in plans() {
            assert_eq!(format(&text).unwrap().unwrap(), text, "{name}");
        }
    }

    #[test]
    fn what_would_change_places_stays() {
        for text in [
            "a.x=1\n# about b\nb=2\na.y=3\n",
            "t={a.x=1,b=2,a.y=3}\n",
            "[a.b]\nx=1\n[c]\ny=1\n[a]\nz.p=1\nq=1\nz.r=1\n",
        ] {
            assert_eq!(format(text), Ok(None), "{text}");
        }
        assert_eq!(format("a.x=1\na.y=3\nb=2\n"), Ok(Some("a.x = 1\na.y = 3\nb = 2\n".to_owned())));
    }

    #[test]
    fn spaces_move_and_nothing_else_does() {
        let text = "\n\n# top\n  version=1 # one\n\n\n\nname   =   'x'\n[ a . \"b c\" ]   # head\n\n  \
                    k={x=1,y = [1,2 , 3,],z.w=1,}\n# end of a\n[[ l ]]\nlist=[ # first\n1,# one\n\n  2 # two\n  ,\n\n# last\n]\n\
                    nested = [\n{a=1,b=[\n1]}]\nempty=[ ]\nnone={ }\n# the end";
        insta::assert_snapshot!(format(text).unwrap().unwrap(), @r#"
        # top
        version = 1 # one

        name = 'x'

        [a."b c"] # head
        k = { x = 1, y = [1, 2, 3], z.w = 1 }

        # end of a
        [[l]]
        list = [ # first
          1, # one
          2 # two
          ,
          # last
        ]
        nested = [
          { a = 1, b = [
            1,
          ] },
        ]
        empty = []
        none = {}
        # the end
        "#);
    }

    #[test]
    fn syntax_errors_come_back() {
        let findings = format("a = \nb = \"\n").unwrap_err();
        assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["syntax", "syntax"]);
    }

    fn comments(text: &str) -> Vec<String> {
        let mut all: Vec<String> =
            text.split('\n').filter_map(|line| line.split_once("#c")).map(|(_, c)| c.trim().into()).collect();
        all.sort();
        all
    }

    /// With `shared`, keys with a common prefix may stand apart.
    fn document(shared: bool) -> impl Strategy<Value = String> {
        let space = "[ \t]{0,3}";
        let comment = prop_oneof![Just(String::new()), "[ ]{0,2}#c[a-z ]{0,4}"];
        let gap = prop_oneof![4 => Just(String::new()), 1 => "( ?#c[a-z]{0,2})?\n ?(#c[a-z]{0,2}\n)?\n? {0,3}"];
        let leaf =
            prop::sample::select(vec!["1", "'a'", "\"b\\u0041\"", "true", "1979-05-27", "\"\"\"m\n n\"\"\"", "0x1F"]);
        let leaf = leaf.prop_map(str::to_owned);
        let inner = move |inner: BoxedStrategy<String>| {
            let element = (gap.clone(), inner.clone(), gap.clone()).prop_map(|(a, v, b)| format!("{a}{v}{b}"));
            let list =
                (prop::collection::vec(element, 0..4), gap.clone(), any::<bool>()).prop_map(|(items, end, comma)| {
                    let comma = if comma && !items.is_empty() { "," } else { "" };
                    format!("[{}{comma}{end}]", items.join(","))
                });
            let entry = (gap.clone(), "[ ]{0,2}", inner, gap.clone());
            let map = (prop::collection::vec(entry, 0..3), gap.clone()).prop_map(|(items, end)| {
                let items: Vec<String> =
                    items.into_iter().enumerate().map(|(i, (a, s, v, b))| format!("{a}k{i}.x{s}={s}{v}{b}")).collect();
                format!("{{{}{end}}}", items.join(","))
            });
            prop_oneof![list, map]
        };
        let value = leaf.boxed().prop_recursive(3, 12, 3, move |one| inner(one.boxed()));
        let line = (space, "[a-c]", value, comment, "\n{1,3}", any::<u8>(), prop_oneof![Just(""), Just("#c own\n")]);
        prop::collection::vec(line, 0..12).prop_map(move |lines| {
            let mut text = String::new();
            for (i, (space, key, value, comment, end, shape, own)) in lines.into_iter().enumerate() {
                text.push_str(own);
                match shape % 5 {
                    0 => text += &["[ t", &i.to_string(), ".", &key, " ]", &comment, "\n"].concat(),
                    1 => text += &[&space, "[[l.", &key, "]]", &comment, "\n"].concat(),
                    _ => {}
                }
                let number = i.to_string();
                let (first, last) = if shared { ("", number.as_str()) } else { (number.as_str(), "") };
                text += &[&space, &key, first, &space, ".", &space, "q", last, " =", &space, &value, &comment, &end]
                    .concat();
            }
            text
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn it_keeps_the_meaning_and_the_comments_and_is_stable(text in document(false)) {
            let before = toml::from_str::<toml::Table>(&text);
            prop_assume!(before.is_ok());
            let once = format(&text).unwrap();
            prop_assert!(once.is_some(), "not given up");
            let once = once.unwrap();
            prop_assert_eq!(toml::from_str::<toml::Table>(&once).unwrap(), before.unwrap());
            prop_assert_eq!(comments(&once), comments(&text), "{}", once);
            prop_assert_eq!(format(&once).unwrap(), Some(once));
        }

        #[test]
        fn keys_that_share_a_prefix_keep_their_places(text in document(true)) {
            let before = toml::from_str::<toml::Table>(&text);
            prop_assume!(before.is_ok());
            if let Some(once) = format(&text).unwrap() {
                prop_assert_eq!(rest(&once), rest(&text), "{}", once);
                prop_assert_eq!(toml::from_str::<toml::Table>(&once).unwrap(), before.unwrap());
                prop_assert_eq!(format(&once).unwrap(), Some(once));
            }
        }
    }
}

//! Tokens -> a table and the operators that it runs through.

use super::lexer::{Token, tokens};

/// What is wrong with a query, as the services say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `SyntaxError` or `SemanticError`.
    pub code: &'static str,
    /// The text.
    pub message: String,
}

impl Fault {
    /// The text is no query.
    pub fn syntax(message: impl Into<String>) -> Self {
        Self { code: "SyntaxError", message: message.into() }
    }

    /// It names something that is not there.
    pub fn semantic(message: impl Into<String>) -> Self {
        Self { code: "SemanticError", message: message.into() }
    }
}

/// A query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The tables it reads, one after the other (`union`).
    pub tables: Vec<String>,
    /// What is done with the rows.
    pub steps: Vec<Operator>,
}

/// A named expression.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the result.
    pub name: String,
    /// What it is.
    pub value: Expr,
}

/// One operator.
#[derive(Clone, Debug)]
pub enum Operator {
    /// Rows for which it is true.
    Where(Expr),
    /// Sorted by these; true is descending.
    Order(Vec<(Expr, bool)>),
    /// The first rows.
    Take(usize),
    /// One row: how many there are.
    Count,
    /// These columns alone.
    Project(Vec<Column>),
    /// Columns added.
    Extend(Vec<Column>),
    /// Aggregates by groups.
    Summarize(Vec<Column>, Vec<Column>),
    /// Each combination once.
    Distinct(Vec<Column>),
}

/// An expression.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A span of time in milliseconds.
    Span(i64),
    /// A column, or a member of a dynamic one.
    Path(Vec<String>),
    /// A call.
    Call(String, Vec<Expr>),
    /// Two operands.
    Binary(Box<Expr>, String, Box<Expr>),
    /// One of several.
    In(Box<Expr>, Vec<Expr>),
}

/// Reads a query.
pub fn parse(text: &str) -> Result<Query, Fault> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0 };
    let query = parser.query()?;
    parser.take(";");
    match parser.peek() {
        None => Ok(query),
        Some(token) => Err(Fault::syntax(format!("unexpected {token:?}"))),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &str) -> Result<(), Fault> {
        if self.take(sign) { Ok(()) } else { Err(Fault::syntax(format!("'{sign}' is missing"))) }
    }

    fn word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Name(found)) if found == word);
        self.at += usize::from(is);
        is
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek().cloned() {
            Some(Token::Name(name)) => {
                self.at += 1;
                Ok(name)
            }
            other => Err(Fault::syntax(format!("a name is missing before {other:?}"))),
        }
    }

    fn query(&mut self) -> Result<Query, Fault> {
        let mut tables = vec![self.name()?];
        if tables == ["union"] {
            tables = vec![self.name()?];
            while self.take(",") {
                tables.push(self.name()?);
            }
        }
        let mut steps = Vec::new();
        while self.take("|") {
            steps.extend(self.operator()?);
        }
        Ok(Query { tables, steps })
    }

    fn operator(&mut self) -> Result<Vec<Operator>, Fault> {
        let one = match self.name()?.as_str() {
            "where" | "filter" => Operator::Where(self.expr()?),
            "order" | "sort" => {
                self.word("by");
                Operator::Order(self.keys()?)
            }
            "take" | "limit" => Operator::Take(self.count()?),
            "top" => {
                let count = self.count()?;
                self.word("by");
                return Ok(vec![Operator::Order(self.keys()?), Operator::Take(count)]);
            }
            "count" => Operator::Count,
            "project" => Operator::Project(self.columns()?),
            "extend" => Operator::Extend(self.columns()?),
            "distinct" => Operator::Distinct(self.columns()?),
            "summarize" => {
                let values = if self.word("by") { Vec::new() } else { self.columns()? };
                let by = !values.is_empty() && !self.word("by");
                Operator::Summarize(values, if by { Vec::new() } else { self.columns()? })
            }
            "render" => {
                while self.peek().is_some_and(|token| *token != Token::Sign("|")) {
                    self.at += 1;
                }
                return Ok(Vec::new());
            }
            other => return Err(Fault::syntax(format!("the sandbox has no operator '{other}'"))),
        };
        Ok(vec![one])
    }

    fn count(&mut self) -> Result<usize, Fault> {
        match self.peek() {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the lexer takes no sign")]
            Some(Token::Number(number)) => {
                let count = *number as usize;
                self.at += 1;
                Ok(count)
            }
            _ => Err(Fault::syntax("a number is missing")),
        }
    }

    fn keys(&mut self) -> Result<Vec<(Expr, bool)>, Fault> {
        let mut keys = Vec::new();
        loop {
            let key = self.expr()?;
            let ascending = self.word("asc");
            let _ = !ascending && self.word("desc");
            keys.push((key, !ascending));
            if !self.take(",") {
                return Ok(keys);
            }
        }
    }

    fn columns(&mut self) -> Result<Vec<Column>, Fault> {
        let mut columns = Vec::new();
        loop {
            let start = self.at;
            let name = self.name().ok().filter(|_| self.take("="));
            if name.is_none() {
                self.at = start;
            }
            let value = self.expr()?;
            let name = name.unwrap_or_else(|| default_name(&value, columns.len()));
            columns.push(Column { name, value });
            if !self.take(",") {
                return Ok(columns);
            }
        }
    }

    fn expr(&mut self) -> Result<Expr, Fault> {
        self.binary(&[&["or"], &["and"]], 0)
    }

    /// `or` binds less than `and`, that less than comparisons, those less than sums and products.
    fn binary(&mut self, words: &[&[&str]], level: usize) -> Result<Expr, Fault> {
        let Some(here) = words.get(level) else { return self.comparison() };
        let mut left = self.binary(words, level + 1)?;
        while let Some(word) = here.iter().copied().find(|word| self.word(word)) {
            let right = self.binary(words, level + 1)?;
            left = Expr::Binary(Box::new(left), word.to_owned(), Box::new(right));
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Result<Expr, Fault> {
        let left = self.sum()?;
        for sign in ["==", "!=", "=~", "!~", ">=", "<=", ">", "<"] {
            if self.take(sign) {
                return Ok(Expr::Binary(Box::new(left), sign.to_owned(), Box::new(self.sum()?)));
            }
        }
        for word in ["contains", "!contains", "has", "!has", "startswith", "endswith", "contains_cs", "has_cs"] {
            if self.word(word) {
                return Ok(Expr::Binary(Box::new(left), word.to_owned(), Box::new(self.sum()?)));
            }
        }
        for (word, negated) in [("in", false), ("!in", true)] {
            if self.word(word) {
                self.expect("(")?;
                let found = Expr::In(Box::new(left), self.arguments()?);
                return Ok(if negated { Expr::Call("not".to_owned(), vec![found]) } else { found });
            }
        }
        if self.word("between") {
            self.expect("(")?;
            let low = self.sum()?;
            self.expect("..")?;
            let high = self.sum()?;
            self.expect(")")?;
            let side = |sign: &str, end| Expr::Binary(Box::new(left.clone()), sign.to_owned(), Box::new(end));
            return Ok(Expr::Binary(Box::new(side(">=", low)), "and".to_owned(), Box::new(side("<=", high))));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr, Fault> {
        let mut left = self.primary()?;
        while let Some(sign) = ["+", "-", "*", "/"].into_iter().find(|sign| self.take(sign)) {
            left = Expr::Binary(Box::new(left), sign.to_owned(), Box::new(self.primary()?));
        }
        Ok(left)
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, Fault> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expr()?);
            if self.take(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    fn primary(&mut self) -> Result<Expr, Fault> {
        if self.take("(") {
            let inner = self.expr()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let token = self.peek().cloned().ok_or_else(|| Fault::syntax("the query ends too early"))?;
        self.at += 1;
        match token {
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Number(number) => Ok(Expr::Number(number)),
            Token::Span(span) => Ok(Expr::Span(span)),
            Token::Name(name) if name == "datetime" => self.datetime(),
            Token::Name(name) if self.take("(") => Ok(Expr::Call(name, self.arguments()?)),
            Token::Name(name) => self.path(name),
            Token::Sign(sign) => Err(Fault::syntax(format!("unexpected '{sign}'"))),
        }
    }

    /// `datetime(2026-11-24T10:00:00Z)`: the tokens inside are put together again.
    fn datetime(&mut self) -> Result<Expr, Fault> {
        self.expect("(")?;
        let mut text = String::new();
        loop {
            match self.peek().cloned() {
                Some(Token::Sign(")")) => break,
                Some(Token::Text(inner) | Token::Name(inner)) => text.push_str(&inner),
                other => return Err(Fault::syntax(format!("no moment: {other:?}; write datetime(\"...\")"))),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(Expr::Text(text))
    }

    fn path(&mut self, first: String) -> Result<Expr, Fault> {
        let mut path = vec![first];
        loop {
            if self.take(".") {
                path.push(self.name()?);
            } else if self.take("[") {
                let Some(Token::Text(name)) = self.peek().cloned() else {
                    return Err(Fault::syntax("a member is named by a text"));
                };
                self.at += 1;
                path.push(name);
                self.expect("]")?;
            } else {
                return Ok(Expr::Path(path));
            }
        }
    }
}

/// The service's own names: a column's, `count_`, `bin` of a column keeps its name.
fn default_name(value: &Expr, at: usize) -> String {
    match value {
        Expr::Path(path) => path.join("_"),
        Expr::Call(name, arguments) if name == "bin" => {
            arguments.first().map_or_else(|| format!("Column{at}"), |inner| default_name(inner, at))
        }
        Expr::Call(name, arguments) => match arguments.first() {
            Some(Expr::Path(path)) => format!("{name}_{}", path.join("_")),
            _ => format!("{name}_"),
        },
        _ => format!("Column{}", at + 1),
    }
}

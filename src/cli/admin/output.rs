//! What the commands print: aligned text for people, JSON for programs, with the same content.

use std::io::{self, Write};

use serde_json::{Map, Value};
use sistema_ts_model::Service;
use sistema_ts_store::register::Profiles;

use crate::cli::error::CliError;

#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    pub(super) json: bool,
}

impl Output {
    /// One thing: a line for each field, or a JSON object.
    pub(super) fn fields(self, fields: &[(&str, Value)]) -> Result<(), CliError> {
        if self.json {
            return print(&format!("{}\n", object(fields)));
        }
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let lines = fields.iter().flat_map(|(name, value)| match value {
            Value::Array(elements) if !elements.is_empty() => elements
                .iter()
                .map(|element| format!("{name:<width$}  {}\n", text(element)))
                .collect(),
            value => vec![format!("{name:<width$}  {}\n", text(value))],
        });
        // JSON's names are in snake case; people read blanks.
        print(
            &lines
                .map(|line| underscores_to_blanks(&line, width))
                .collect::<String>(),
        )
    }

    /// Many things: a table with a heading, or a JSON array of objects.
    pub(super) fn table(self, names: &[&str], rows: Vec<Vec<Value>>) -> Result<(), CliError> {
        if self.json {
            let objects = rows.into_iter().map(|row| {
                let fields: Vec<_> = names.iter().copied().zip(row).collect();
                object(&fields)
            });
            return print(&format!("{}\n", Value::Array(objects.collect())));
        }
        let heading = names
            .iter()
            .map(|name| name.replace('_', " ").to_uppercase())
            .collect();
        let mut lines: Vec<Vec<String>> = vec![heading];
        lines.extend(rows.iter().map(|row| row.iter().map(text).collect()));
        let widths: Vec<usize> = (0..names.len())
            .map(|column| {
                lines
                    .iter()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut printed = String::new();
        for line in &lines {
            let cells = line
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            printed.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            printed.push('\n');
        }
        print(&printed)
    }

    /// A change that was made, in a few words.
    pub(super) fn done(self, what: &str) -> Result<(), CliError> {
        if self.json {
            self.fields(&[("done", what.into())])
        } else {
            print(&format!("{what}\n"))
        }
    }
}

/// The services of these profiles, by the names of their operations.
pub(super) fn service_names(profiles: Profiles) -> Value {
    profiles.iter().map(Service::name).collect()
}

fn underscores_to_blanks(line: &str, width: usize) -> String {
    let (name, rest) = line.split_at(width);
    format!("{}{rest}", name.replace('_', " "))
}

fn object(fields: &[(&str, Value)]) -> Value {
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(fields.collect::<Map<_, _>>())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(elements) if elements.is_empty() => "-".to_owned(),
        Value::Array(elements) => elements.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => fields.values().map(text).collect::<Vec<_>>().join("  "),
        Value::Number(number) => number.to_string(),
    }
}

fn print(text: &str) -> Result<(), CliError> {
    let mut output = io::stdout().lock();
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .map_err(CliError::Output)
}

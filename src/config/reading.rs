//! What was set, one value after another: each is read by itself, so that everything that cannot be read is told at once.

use std::fmt;

use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::configuration::Configuration;
use crate::backend;

/// Where somebody set a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A line of the file, counted from 1.
    Line(usize),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(formatter, "line {line}"),
            Self::Variable(variable) => write!(formatter, "the environment variable {variable}"),
        }
    }
}

/// What was set so far, and what was wrong with it. No fault repeats a value.
pub(super) struct Reading {
    /// Every section and key there is, with its default.
    defaults: Table,
    /// The sections that were named, each with the values that were set in it. In place of one that could not be read is its default.
    set: Table,
    faults: Vec<(Place, String)>,
    /// The keys whose value could not be read, each as `section.key`.
    unread: Vec<String>,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            defaults: Table::try_from(Configuration::default())
                .expect("the defaults are plain data, which TOML can hold"),
            set: Table::new(),
            faults: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// Notes what is wrong.
    pub(super) fn fault(&mut self, place: &Place, what: impl fmt::Display) {
        self.faults.push((place.clone(), what.to_string()));
    }

    /// Takes every value of the text of a file.
    pub(super) fn file(&mut self, text: &str) {
        let line_of = |offset: usize| 1 + text[..offset.min(text.len())].matches('\n').count();
        let (spans, errors) = DeTable::parse_recoverable(text);
        let mut last = None;
        for error in &errors {
            let line = error.span().map_or(1, |span| line_of(span.start));
            // One mistake in a line makes others of what follows it there.
            if last != Some(line) {
                self.fault(&Place::Line(line), without_value(error.message()));
            }
            last = Some(line);
        }
        let Ok(mut values) = toml::from_str::<Table>(text) else {
            return;
        };
        for (section, content) in spans.get_ref().iter() {
            let place = Place::Line(line_of(section.span().start));
            let (name, values) = (section.get_ref(), values.remove(&**section.get_ref()));
            if self.default_section(name).is_none() {
                let sections: Vec<&str> = self.defaults.keys().map(String::as_str).collect();
                let sections = sections.join(", ");
                let what = format!("[{name}]: there is no such section; there are {sections}");
                self.fault(&place, what);
                continue;
            }
            let (DeValue::Table(keys), Some(Value::Table(mut values))) =
                (content.get_ref(), values)
            else {
                self.fault(&place, format_args!("{name}: it is a section, not a key"));
                continue;
            };
            self.set
                .insert(name.to_string(), Value::Table(Table::new()));
            for key in keys.keys() {
                let place = Place::Line(line_of(key.span().start));
                if let Some(value) = values.remove(&**key.get_ref()) {
                    self.value(place, name, key.get_ref(), value);
                }
            }
            self.complete(&place, name);
        }
    }

    /// What a key of this section is if nobody sets it; why there is no such key, if there is none.
    pub(super) fn default_of(&self, section: &str, key: &str) -> Result<&Value, String> {
        let keys = self
            .default_section(section)
            .ok_or_else(|| format!("there is no section [{section}]"))?;
        keys.get(key).ok_or_else(|| {
            if let Some(new) = backend::section_of_moved(section, key) {
                return format!("{section}.{key}: it is {new}.{key} now");
            }
            let keys: Vec<&str> = keys.keys().map(String::as_str).collect();
            let keys = keys.join(", ");
            format!("{section}.{key}: there is no such key; [{section}] has {keys}")
        })
    }

    /// Takes one value.
    pub(super) fn value(&mut self, place: Place, section: &str, key: &str, value: Value) {
        let default = match self.default_of(section, key) {
            Ok(default) => default.clone(),
            Err(what) => return self.fault(&place, what),
        };
        match self.read_alone(section, key, value.clone()) {
            Ok(()) => self.put(section, key, value),
            Err(what) => {
                self.unreadable(&place, section, key, &what);
                self.put(section, key, default);
            }
        }
    }

    /// Notes that the value of a key cannot be read.
    pub(super) fn unreadable(&mut self, place: &Place, section: &str, key: &str, what: &str) {
        self.fault(place, format_args!("{section}.{key}: {what}"));
        self.unread.push(format!("{section}.{key}"));
    }

    fn put(&mut self, section: &str, key: &str, value: Value) {
        // A section that the file leaves out takes its other keys from the defaults: for the listeners, whose defaults
        // differ, they must be written out.
        let section = match self.set.get_mut(section) {
            Some(section) => section,
            None => self
                .set
                .entry(section)
                .or_insert(self.defaults[section].clone()),
        };
        if let Value::Table(section) = section {
            section.insert(key.to_owned(), value);
        }
    }

    /// The configuration, and what could not be read of it, in the order of the lines and variables.
    pub(super) fn finish(mut self) -> Read {
        self.faults.sort();
        let told = |(place, what): &(Place, String)| format!("{place}: {what}");
        let mut faults: Vec<String> = self.faults.iter().map(told).collect();
        // Each value was read by itself, and each section was completed, so that only a mistake of this module fails here.
        let configuration = Value::Table(self.set).try_into::<Configuration>();
        let configuration = configuration.unwrap_or_else(|error| {
            faults.push(without_value(error.message()).to_owned());
            Configuration::default()
        });
        Read {
            configuration,
            faults,
            unread: self.unread,
        }
    }

    fn default_section(&self, section: &str) -> Option<&Table> {
        self.defaults.get(section)?.as_table()
    }

    /// Whether a value can be read, with all others as they are by default.
    fn read_alone(&self, section: &str, key: &str, value: Value) -> Result<(), String> {
        let mut content = self.defaults[section].clone();
        if let Value::Table(content) = &mut content {
            content.insert(key.to_owned(), value);
        }
        read_section(section, content)
    }

    /// Tells which key a section of the file lacks that it must have, and gives it its default.
    fn complete(&mut self, place: &Place, section: &str) {
        if let Err(what) = read_section(section, self.set[section].clone()) {
            self.fault(place, format_args!("[{section}]: {what}"));
            let mut whole = self.defaults[section].clone();
            if let (Value::Table(whole), Some(Value::Table(set))) =
                (&mut whole, self.set.remove(section))
            {
                whole.extend(set);
            }
            self.set.insert(section.to_owned(), whole);
        }
    }
}

/// What came of a [`Reading`].
pub(super) struct Read {
    pub(super) configuration: Configuration,
    pub(super) faults: Vec<String>,
    unread: Vec<String>,
}

impl Read {
    /// Adds what is out of bounds, but for the keys whose value could not be read: their defaults stand in its place.
    pub(super) fn check(&mut self) {
        let bounds = self.configuration.out_of_bounds();
        let is_set = |fault: &String| !self.unread.iter().any(|key| fault.contains(key.as_str()));
        self.faults.extend(bounds.into_iter().filter(is_set));
    }
}

/// Whether a section can be read, without any other.
fn read_section(section: &str, content: Value) -> Result<(), String> {
    let mut alone = Table::new();
    alone.insert(section.to_owned(), content);
    match Value::Table(alone).try_into::<Configuration>() {
        Ok(_) => Ok(()),
        Err(error) => Err(without_value(error.message()).to_owned()),
    }
}

/// The reader's message without the value that it repeats: `invalid value: integer -3, expected u64` is `expected u64`.
/// The names of keys stay.
fn without_value(message: &str) -> &str {
    let names_a_key = message.starts_with("unknown field") || message.starts_with("missing field");
    match message.find("expected") {
        Some(position) if !names_a_key => &message[position..],
        _ => message,
    }
}

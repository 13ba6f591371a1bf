//! Imports run one way: no source takes from another that takes from it, at once or around a corner. A failure means that two files cannot be
//! understood one after the other; what both need belongs in a file of its own.
//!
//! The sources are read as text. An import is what stands in a `use`, and every path that begins with `crate`, `self`, `super` or a module's
//! name. What a module hands on (`pub use`) counts for the file that defines it. Tests are left out.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The sources of the crates.
const CRATES: [&str; 8] = [
    "model/src",
    "store/src",
    "embedded/src",
    "cql/src",
    "actors/src",
    "immuni-stand-in/src",
    "loadtest/src",
    "src",
];

/// A module's names from the crate's root; the root itself has none.
type Name = Vec<String>;

/// A name that a `use` brings in, and the path behind it.
struct Import {
    path: Name,
    name: String,
    hands_on: bool,
}

/// What stands in a module's file.
#[derive(Default)]
struct Module {
    children: BTreeSet<String>,
    imports: Vec<Import>,
    /// Paths outside of a `use`.
    paths: Vec<Name>,
    words: BTreeSet<String>,
}

/// The words and signs of a source, without comments and texts.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(text) = rest.strip_prefix("r#\"") {
            text.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|letter| {
                let is_end = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                is_end
            });
            end.map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let word = &rest[..end.unwrap_or(rest.len())];
            tokens.push(word.to_owned());
            word.len()
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The place after the item that begins here: after its block, or its semicolon.
fn end_of_item(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => depth += 1,
            "}" if depth == 1 => return at + 1,
            "}" => depth -= 1,
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The place after the semicolon of a `use` that begins here.
fn end_of_use(tokens: &[String], at: usize) -> usize {
    let length = tokens[at..].iter().position(|token| token == ";");
    length.map_or(tokens.len(), |length| at + length + 1)
}

/// What a `use` brings in: a name, and the path behind it.
fn expand(before: &[String], tree: &[String], found: &mut Vec<(Name, String)>) {
    let names = |tokens: &[String]| -> Name {
        let is_name = |token: &&String| *token != "::";
        before
            .iter()
            .chain(tokens.iter().filter(is_name))
            .cloned()
            .collect()
    };
    let mut depth = 0;
    let pieces = tree.split(|token| {
        depth += i32::from(token == "{") - i32::from(token == "}");
        depth == 0 && token == ","
    });
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        if let Some(open) = piece.iter().position(|token| token == "{") {
            expand(
                &names(&piece[..open]),
                &piece[open + 1..piece.len() - 1],
                found,
            );
            continue;
        }
        let alias = piece.iter().position(|token| token == "as");
        let mut path = names(&piece[..alias.unwrap_or(piece.len())]);
        if path.len() > 1 {
            path.pop_if(|last| last == "self");
        }
        let name = alias.map_or(path.last(), |alias| piece.get(alias + 1));
        found.push((path.clone(), name.unwrap().clone()));
    }
}

impl Module {
    fn read(source: &str) -> Self {
        let tokens = tokens(source);
        let mut module = Self::default();
        let mut at = 0;
        let mut is_public = false;
        while at < tokens.len() {
            let token = |offset: usize| tokens.get(at + offset).map_or("", String::as_str);
            let (first, second, third, fifth) = (token(0), token(1), token(2), token(4));
            if (first, third, fifth) == ("#", "cfg", "test") {
                at = end_of_item(&tokens, at);
            } else if (first, third) == ("mod", ";") {
                module.children.insert(second.to_owned());
                at += 3;
            } else if first == "use" {
                let end = end_of_use(&tokens, at);
                let mut found = Vec::new();
                expand(&[], &tokens[at + 1..end - 1], &mut found);
                module
                    .imports
                    .extend(found.into_iter().map(|(path, name)| Import {
                        path,
                        name,
                        hands_on: is_public,
                    }));
                at = end;
            } else {
                let begins = at;
                while tokens.get(at + 1).is_some_and(|token| token == "::") && at + 2 < tokens.len()
                {
                    at += 2;
                }
                at += 1;
                let names = tokens[begins..at].iter().filter(|token| *token != "::");
                module.words.extend(names.clone().cloned());
                module.paths.push(names.cloned().collect());
                // What may stand between `pub` and `use`.
                let between = ["(", "crate", "super", "in", ")"].contains(&first);
                is_public = first == "pub" || is_public && between;
            }
        }
        module
    }
}

/// The modules of a crate, by their names.
fn modules_of(folder: &Path) -> BTreeMap<Name, Module> {
    let mut modules = BTreeMap::new();
    let mut left: Vec<(Name, PathBuf, PathBuf)> =
        vec![(Name::new(), folder.join("lib.rs"), folder.to_owned())];
    while let Some((name, file, beneath)) = left.pop() {
        let module = Module::read(&std::fs::read_to_string(&file).unwrap());
        for child in &module.children {
            let mut name = name.clone();
            name.push(child.clone());
            let beneath = beneath.join(child);
            let file = beneath.with_extension("rs");
            let file = if file.exists() {
                file
            } else {
                beneath.join("mod.rs")
            };
            left.push((name, file, beneath));
        }
        modules.insert(name, module);
    }
    modules
}

/// The module that defines what a path names, if that is of this crate. `depth` bounds how often it is handed on.
fn defined_in(
    modules: &BTreeMap<Name, Module>,
    here: &Name,
    path: &[String],
    depth: usize,
) -> Option<Name> {
    let mut at = here.clone();
    let mut path = path;
    match path.first()?.as_str() {
        "crate" => (at, path) = (Name::new(), &path[1..]),
        "self" => path = &path[1..],
        "super" => {
            while path.first().is_some_and(|name| name == "super") {
                at.pop();
                path = &path[1..];
            }
        }
        child if modules[here].children.contains(child) => {}
        _ => return None,
    }
    while let Some(name) = path.first() {
        if !modules[&at].children.contains(name) {
            break;
        }
        at.push(name.clone());
        path = &path[1..];
        if !modules.contains_key(&at) {
            return None;
        }
    }
    let handed_on = path.first().and_then(|name| {
        let mut imports = modules[&at].imports.iter();
        let import = imports.find(|import| import.name == *name)?;
        let through = [&import.path, &path[1..]].concat();
        (depth > 0).then(|| defined_in(modules, &at, &through, depth - 1))?
    });
    Some(handed_on.unwrap_or(at))
}

/// Which modules each module takes something from.
fn arrows(modules: &BTreeMap<Name, Module>) -> BTreeMap<Name, BTreeSet<Name>> {
    let of = |name: &Name, module: &Module| {
        let used = module.imports.iter();
        let used = used.filter(|import| !import.hands_on || module.words.contains(&import.name));
        let paths = module.paths.iter().filter(|path| path.len() > 1);
        let paths = used.map(|import| &import.path).chain(paths);
        let defined = paths.filter_map(|path| defined_in(modules, name, path, 8));
        defined
            .filter(|other| other != name)
            .collect::<BTreeSet<_>>()
    };
    modules
        .iter()
        .map(|(name, module)| (name.clone(), of(name, module)))
        .collect()
}

/// The arrows that stand in a circle, or lead from one to another: what is left when modules go that take from none, or that none takes from.
fn circles(mut arrows: BTreeMap<Name, BTreeSet<Name>>) -> Vec<String> {
    loop {
        let taken: BTreeSet<Name> = arrows.values().flatten().cloned().collect();
        let before = arrows.len();
        arrows.retain(|name, others| !others.is_empty() && taken.contains(name));
        if arrows.len() == before {
            let shown = |name: &Name| name.join("::");
            let lines = arrows.iter().flat_map(|(name, others)| {
                others
                    .iter()
                    .map(move |other| format!("{} takes from {}", shown(name), shown(other)))
            });
            return lines.collect();
        }
        let left: BTreeSet<Name> = arrows.keys().cloned().collect();
        for others in arrows.values_mut() {
            others.retain(|other| left.contains(other));
        }
    }
}

#[test]
fn no_source_takes_from_one_that_takes_from_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in CRATES {
        let modules = modules_of(&root.join(folder));
        let arrows = arrows(&modules);
        let count: usize = arrows.values().map(BTreeSet::len).sum();
        assert!(count > modules.len(), "{folder}: {count} imports are read");
        let circles = circles(arrows);
        assert!(circles.is_empty(), "{folder}:\n{}", circles.join("\n"));
    }
}

#[test]
fn a_circle_is_found_behind_what_a_module_hands_on() {
    let module = |text: &str| Module::read(text);
    let name = |text: &str| {
        text.split("::")
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect::<Name>()
    };
    let circle = BTreeMap::from([
        (
            name(""),
            module("mod one; mod two; pub(crate) use self::two::{Two as Other, three::*};"),
        ),
        (
            name("one"),
            module("pub struct One(crate::Other); // crate::none"),
        ),
        (
            name("two"),
            module(
                "mod three; use super::one::One; pub struct Two; const TEXT: &str = \"crate::one\";",
            ),
        ),
        (
            name("two::three"),
            module("#[cfg(test)] mod tests { use super::super::Two; } pub fn three() {}"),
        ),
    ]);
    assert_eq!(
        circles(arrows(&circle)),
        ["one takes from two", "two takes from one"]
    );
}

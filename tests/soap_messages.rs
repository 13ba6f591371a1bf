//! The requests of all services, each as its description has it: what was written is what is read.
//!
//! Failure here means that a value of some service's request changes on its way, lands in another element or option, or is lost; that a
//! message cut short is taken for a whole one; that an element of another service is taken; or that some body makes the reader panic.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use sistema_ts::soap::Charset;
use sistema_ts::soap::description::{Content, Element, Message, Occurs};
use sistema_ts::soap::messages;
use sistema_ts::soap::{SoapFault, body_text, decode};

/// Most occurrences of a repeated element.
const MOST_ROWS: usize = 10;

fn requests() -> Vec<&'static Message> {
    messages::ALL.map(|(_, request, _)| request).to_vec()
}

type Value = Option<String>;

/// An element with what is written in it.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// A text.
    Leaf(&'static str, Value),
    /// A structure with its texts.
    Structure(&'static str, Vec<(&'static str, Value)>),
    /// A structure of repeated structures: its name, theirs, and the texts of each.
    Rows(&'static str, &'static str, Vec<Vec<(&'static str, Value)>>),
}

/// What a message says, in the order in which it is written.
#[derive(Clone, Debug)]
struct Written {
    message: &'static Message,
    parts: Vec<Part>,
    /// Decides how each character is written.
    spelling: Vec<u8>,
}

fn character() -> impl Strategy<Value = char> {
    prop_oneof![
        4 => select(vec!['a', 'Z', '0', ' ', '\'', '"', '<', '>', '&', ']', '\n', '\r', '\t', '-', ';', '#']),
        2 => select(vec!['à', '€', '\u{85}', '\u{A0}', '\u{2028}', '\u{FEFF}', '\u{1F600}', '\u{10FFFF}']),
        1 => any::<char>().prop_filter("allowed in XML", |character| {
            matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
        }),
    ]
}

/// A text without blanks at its ends; `None` is an empty element.
fn value() -> impl Strategy<Value = Value> {
    vec(character(), 0..16).prop_map(|characters| {
        let text: String = characters.into_iter().collect();
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        (!text.is_empty()).then(|| text.to_owned())
    })
}

fn leaves(elements: &'static [Element]) -> impl Strategy<Value = Vec<(&'static str, Value)>> {
    vec(value(), elements.len()).prop_map(|values| {
        let names = elements.iter().map(|element| element.name);
        names.zip(values).collect()
    })
}

fn part(element: &'static Element) -> BoxedStrategy<Part> {
    let children = element.children();
    match children {
        [] => value()
            .prop_map(|value| Part::Leaf(element.name, value))
            .boxed(),
        [repeated] if matches!(repeated.occurs, Occurs::Many) => {
            vec(leaves(repeated.children()), 0..=MOST_ROWS)
                .prop_map(|rows| Part::Rows(element.name, repeated.name, rows))
                .boxed()
        }
        _ => leaves(children)
            .prop_map(|leaves| Part::Structure(element.name, leaves))
            .boxed(),
    }
}

/// A message of any service, with its elements in any order; those that may be missing are at times.
fn written() -> impl Strategy<Value = Written> {
    select(requests()).prop_flat_map(|message| {
        let parts: Vec<_> = message
            .elements
            .iter()
            .map(|element| match element.occurs {
                Occurs::Once => part(element).prop_map(Some).boxed(),
                _ => prop::option::weighted(0.7, part(element)).boxed(),
            })
            .collect();
        let parts = parts
            .prop_map(|parts| parts.into_iter().flatten().collect::<Vec<_>>())
            .prop_shuffle();
        (parts, vec(any::<u8>(), 0..200)).prop_map(move |(parts, spelling)| Written {
            message,
            parts,
            spelling,
        })
    })
}

impl Written {
    fn to_xml(&self) -> String {
        let mut spelling = self.spelling.iter().copied().cycle();
        let mut text = |value: &Value| -> String {
            let characters = value.as_deref().unwrap_or_default().chars();
            characters
                .map(|character| spell(character, spelling.next().unwrap_or(0)))
                .collect()
        };
        let mut leaves = |prefix: &str, leaves: &[(&str, Value)]| -> String {
            leaves
                .iter()
                .map(|(name, value)| format!("<{prefix}:{name}>{}</{prefix}:{name}>", text(value)))
                .collect()
        };
        let parts: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Leaf(name, value) => leaves("s", &[(name, value.clone())]),
                Part::Structure(name, inside) => {
                    format!("<s:{name}>{}</s:{name}>", leaves("t", inside))
                }
                Part::Rows(name, row, rows) => {
                    let rows: String = rows
                        .iter()
                        .map(|inside| format!("<t:{row}>{}</t:{row}>", leaves("t", inside)))
                        .collect();
                    format!("<s:{name}>{rows}</s:{name}>")
                }
            })
            .collect();
        let (element, namespace) = (self.message.element, self.message.namespace);
        format!(
            "<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body><s:{element} xmlns:s='{namespace}' \
             xmlns:t='urn:sistemats:tipi:v1'>{parts}</s:{element}></e:Body></e:Envelope>"
        )
    }

    /// Every value with the node at which it must be found, and the rows.
    fn expected(&self) -> Read {
        let mut read = Read::default();
        for part in &self.parts {
            match part {
                Part::Leaf(name, value) => {
                    read.leaves
                        .push((self.message.node(&[name]), value.clone()));
                }
                Part::Structure(name, inside) => {
                    let leaves = inside
                        .iter()
                        .map(|(leaf, value)| (self.message.node(&[name, leaf]), value.clone()));
                    read.leaves.extend(leaves);
                }
                Part::Rows(name, row, rows) => {
                    let node = self.message.node(&[name, row]);
                    let rows = rows.iter().map(|inside| {
                        (
                            node,
                            inside.iter().map(|(_, value)| value.clone()).collect(),
                        )
                    });
                    read.rows.extend(rows);
                }
            }
        }
        // What is empty counts as absent.
        read.leaves.retain(|(_, value)| value.is_some());
        read.rows
            .retain(|(_, values)| values.iter().any(Option::is_some));
        read.leaves.sort_by_key(|(node, _)| *node);
        read
    }
}

/// A character in one of the ways in which it may be written.
fn spell(character: char, way: u8) -> String {
    match (way % 4, character) {
        (1, _) => format!("&#{};", u32::from(character)),
        (2, _) => format!("&#x{:X};", u32::from(character)),
        // As it is, a carriage return would be read as the end of a line.
        (_, '\r') => "&#13;".to_owned(),
        (3, '>' | '&' | '<') => format!("<![CDATA[{character}]]>"),
        (_, '&') => "&amp;".to_owned(),
        (_, '<') => "&lt;".to_owned(),
        (_, '>') => "&gt;".to_owned(),
        _ => character.to_string(),
    }
}

/// What was read: the texts that are there with their nodes, and the repeated elements.
#[derive(Debug, Default, PartialEq)]
struct Read {
    leaves: Vec<(usize, Value)>,
    rows: Vec<(usize, Vec<Value>)>,
}

fn read(message: &'static Message, body: &[u8]) -> Result<Read, SoapFault> {
    let text = body_text(body, Charset::Utf8)?;
    let mut fields = decode(&text, message)?;
    let leaves = (0..message.size())
        .map(|node| (node, fields.take(node).map(|text| text.to_string())))
        .filter(|(_, value)| value.is_some())
        .collect();
    let rows = fields
        .rows
        .iter()
        .map(|row| {
            let values = row
                .values
                .iter()
                .map(|value| value.as_ref().map(|text| text.to_string()));
            (row.node, values.take(leaves_of_a_row(message)).collect())
        })
        .collect();
    Ok(Read { leaves, rows })
}

/// How many texts a repeated element of this message has.
fn leaves_of_a_row(message: &Message) -> usize {
    let repeated = message
        .elements
        .iter()
        .find_map(|element| match element.children() {
            [only] if matches!(only.occurs, Occurs::Many) => Some(only.children().len()),
            _ => None,
        });
    repeated.unwrap_or_default()
}

#[test]
fn every_request_has_a_shape_that_these_tests_write() {
    for message in requests() {
        for element in message.elements {
            for child in element.children() {
                let is_leaf = child.children().is_empty();
                let is_row = matches!(child.occurs, Occurs::Many);
                assert!(is_leaf || is_row, "{}", child.name);
                if let Content::Structure(_) = child.content {
                    assert!(
                        child
                            .children()
                            .iter()
                            .all(|leaf| leaf.children().is_empty())
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn what_was_written_is_read_in_its_place(written in written()) {
        let body = written.to_xml();
        prop_assert_eq!(read(written.message, body.as_bytes()).unwrap(), written.expected(), "{}", body);
    }

    #[test]
    fn a_message_is_of_its_own_service_alone(written in written(), other in select(requests())) {
        let is_own = std::ptr::eq(other, written.message);
        prop_assert_eq!(read(other, written.to_xml().as_bytes()).is_ok(), is_own);
    }

    #[test]
    fn one_element_more_is_refused(mut written in written(), place in any::<Index>(), foreign in any::<bool>()) {
        let part = place.get(&written.parts).clone();
        // The same twice, or one that no message has.
        written.parts.push(if foreign { Part::Leaf("altro", None) } else { part });
        prop_assert!(read(written.message, written.to_xml().as_bytes()).is_err());
    }

    #[test]
    fn damaged_messages_make_no_panic(
        written in written(),
        damages in vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut body = written.to_xml().into_bytes();
        for (place, byte, kind) in damages {
            let at = place.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => { body.remove(at); }
            }
        }
        let _ = read(written.message, &body);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn a_message_cut_short_is_never_taken(written in written()) {
        let body = written.to_xml().into_bytes();
        for length in 0..body.len() {
            prop_assert!(read(written.message, &body[..length]).is_err());
        }
    }
}

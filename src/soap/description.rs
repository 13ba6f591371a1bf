//! How a message is described: static tables from which the decoder, the encoder, the schema and the WSDL all come.
//!
//! A [`Message`] is a tree of [`Element`]s. Its elements are numbered in reading order, structures included (their number
//! comes before those of their children): that number is the *node*, by which [`super::Fields`] holds values. Node numbers
//! are looked up by name at compile time ([`Message::node`]), so a misspelt name does not build.

use super::fields::{MAX_NODES, MAX_ROW_LEAVES};

/// How often an element may occur among its siblings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurs {
    /// Exactly once; a message without it is refused with a fault.
    Once,
    /// At most once.
    Optional,
    /// Any number of times. A bound is the service's to judge: generators make a single element of some of those that the schema
    /// declares.
    Many,
}

/// A restriction that the schema declares for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
    /// `xs:pattern`, a regular expression of XML Schema.
    Pattern(&'static str),
    /// `xs:minLength`, in characters.
    MinLength(u32),
    /// `xs:maxLength`, in characters.
    MaxLength(u32),
}

/// A named string type of the shared schema.
#[derive(Debug)]
pub struct TextType {
    /// Its name in the schema.
    pub name: &'static str,
    /// What the schema says about its values.
    pub facets: &'static [Facet],
    /// What it is, in Italian, for the schema's reader.
    pub documentation: &'static str,
}

/// A named structure of the shared schema; its children are in the shared namespace.
#[derive(Debug)]
pub struct StructureType {
    /// Its name in the schema.
    pub name: &'static str,
    /// Its elements, in order.
    pub elements: &'static [Element],
    /// What it is, in Italian, for the schema's reader.
    pub documentation: &'static str,
}

/// What an element holds.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// A type of XML Schema itself, such as `date`.
    BuiltIn(&'static str),
    /// Text of a named type.
    Text(&'static TextType),
    /// Elements.
    Structure(&'static StructureType),
}

/// One element of a message or of a structure.
#[derive(Debug)]
pub struct Element {
    /// Its local name.
    pub name: &'static str,
    /// How often it may occur.
    pub occurs: Occurs,
    /// What it holds.
    pub content: Content,
    /// What it is, in Italian, for the schema's reader.
    pub documentation: &'static str,
}

/// One message: the single child of a SOAP Body.
#[derive(Debug)]
pub struct Message {
    /// Its local name.
    pub element: &'static str,
    /// The namespace of the message and of its immediate children.
    pub namespace: &'static str,
    /// Its elements, in the order of the schema; a request may hold them in any order.
    pub elements: &'static [Element],
    /// What it is, in Italian, for the schema's reader.
    pub documentation: &'static str,
}

impl Element {
    /// A leaf of a type of XML Schema.
    pub const fn built_in(
        name: &'static str,
        occurs: Occurs,
        schema_type: &'static str,
        documentation: &'static str,
    ) -> Self {
        Self {
            name,
            occurs,
            content: Content::BuiltIn(schema_type),
            documentation,
        }
    }

    /// A leaf of a named type.
    pub const fn text(
        name: &'static str,
        occurs: Occurs,
        text_type: &'static TextType,
        documentation: &'static str,
    ) -> Self {
        Self {
            name,
            occurs,
            content: Content::Text(text_type),
            documentation,
        }
    }

    /// An element of elements.
    pub const fn structure(
        name: &'static str,
        occurs: Occurs,
        structure: &'static StructureType,
        documentation: &'static str,
    ) -> Self {
        Self {
            name,
            occurs,
            content: Content::Structure(structure),
            documentation,
        }
    }

    /// The elements inside, none for a leaf.
    pub const fn children(&self) -> &'static [Self] {
        match self.content {
            Content::Structure(structure) => structure.elements,
            Content::BuiltIn(_) | Content::Text(_) => &[],
        }
    }

    /// How many nodes it takes: itself and what is inside.
    pub const fn size(&self) -> usize {
        1 + size_of_all(self.children())
    }
}

impl Message {
    /// The node of the element at `path`, such as `["identificativoStruttura", "codiceAsl"]`.
    ///
    /// # Panics
    /// If there is no such element: at compile time, where it is meant to be called.
    pub const fn node(&self, path: &[&str]) -> usize {
        find(self.elements, path, 0, 0)
    }

    /// The node of the element of this name among its own, if it has one.
    #[must_use]
    pub const fn find(&self, name: &str) -> Option<usize> {
        let (mut index, mut node) = (0, 0);
        while index < self.elements.len() {
            if same(self.elements[index].name, name) {
                return Some(node);
            }
            node += self.elements[index].size();
            index += 1;
        }
        None
    }

    /// The name of the element at `path`: its last part. A misspelt path does not build.
    ///
    /// # Panics
    /// If there is no such element: at compile time, where it is meant to be called.
    #[must_use]
    pub const fn element(&self, path: &[&str]) -> &'static str {
        self.name_of(self.node(path))
    }

    /// How many nodes the message has.
    pub const fn size(&self) -> usize {
        size_of_all(self.elements)
    }

    /// Fails the build if the message cannot be a request: more nodes than [`super::fields::MAX_NODES`], or a repeated
    /// element that holds more than a few leaves.
    ///
    /// # Panics
    /// If so: at compile time, where it is meant to be called.
    pub const fn assert_decodable(&self) {
        assert!(
            self.size() <= MAX_NODES,
            "more nodes than a request may have"
        );
        assert_rows_decodable(self.elements);
    }

    /// The name of the element at a node of this message.
    ///
    /// # Panics
    /// If the message has no such node.
    pub const fn name_of(&self, node: usize) -> &'static str {
        name_of(self.elements, node)
    }
}

const fn assert_rows_decodable(elements: &[Element]) {
    let mut index = 0;
    while index < elements.len() {
        let element = &elements[index];
        let children = element.children();
        if let Occurs::Many = element.occurs {
            assert!(
                children.len() <= MAX_ROW_LEAVES,
                "more leaves than a row may have"
            );
            let mut child = 0;
            while child < children.len() {
                assert!(
                    children[child].children().is_empty(),
                    "a structure inside a row"
                );
                assert!(
                    !matches!(children[child].occurs, Occurs::Many),
                    "a repeated element inside a row"
                );
                child += 1;
            }
        } else {
            assert_rows_decodable(children);
        }
        index += 1;
    }
}

const fn size_of_all(elements: &[Element]) -> usize {
    let mut size = 0;
    let mut index = 0;
    while index < elements.len() {
        size += elements[index].size();
        index += 1;
    }
    size
}

const fn find(elements: &[Element], path: &[&str], depth: usize, first: usize) -> usize {
    let mut node = first;
    let mut index = 0;
    while index < elements.len() {
        if same(elements[index].name, path[depth]) {
            return if depth + 1 == path.len() {
                node
            } else {
                find(elements[index].children(), path, depth + 1, node + 1)
            };
        }
        node += elements[index].size();
        index += 1;
    }
    panic!("the description has no element at this path")
}

const fn name_of(elements: &'static [Element], node: usize) -> &'static str {
    let mut before = 0;
    let mut index = 0;
    while index < elements.len() {
        let size = elements[index].size();
        if node == before {
            return elements[index].name;
        }
        if node < before + size {
            return name_of(elements[index].children(), node - before - 1);
        }
        before += size;
        index += 1;
    }
    panic!("the description has no such node")
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    //! Failure here means that a node number does not lead back to the element that it was asked for.
    #![allow(clippy::unwrap_used)]

    use crate::soap::messages::submission::REQUEST;

    #[test]
    fn nodes_number_the_elements_in_reading_order() {
        assert_eq!(REQUEST.node(&["tipoAutenticazione"]), 0);
        let structure = REQUEST.node(&["identificativoStruttura"]);
        assert_eq!(
            REQUEST.node(&["identificativoStruttura", "codiceRegione"]),
            structure + 1
        );
        assert_eq!(REQUEST.node(&["descrizioneStruttura"]), structure + 4);
        let last = REQUEST.elements.last().unwrap().name;
        assert_eq!(REQUEST.node(&[last]) + 1, REQUEST.size());
    }

    #[test]
    fn each_path_of_names_leads_to_the_node_of_that_name() {
        for (path, name) in [
            (&["pinCode"][..], "pinCode"),
            (&["identificativoStruttura"], "identificativoStruttura"),
            (
                &["identificativoStruttura", "codiceStruttura"],
                "codiceStruttura",
            ),
            (&["contattoEmail"], "contattoEmail"),
        ] {
            assert_eq!(REQUEST.name_of(REQUEST.node(path)), name);
        }
    }
}

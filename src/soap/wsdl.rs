//! The WSDL of a service, made from the descriptions of its two messages.
//!
//! The style is the one that eleven toolkits digest: WSDL 1.1, document/literal bare, qualified, two schemas inline with an
//! import that has no location, parts named `richiesta` and `ricevuta`, no faults, no choices, no enumerations, nothing repeated
//! a bounded number of times. The schema of the shared types is the same, whole, in every WSDL: generators make one set of classes of
//! a namespace, whichever of the WSDLs they read last.

use std::fmt::{self, Write};

use sistema_ts_model::Service;

use super::description::{Content, Element, Facet, Message, Occurs, StructureType, TextType};
use super::{messages, types};

/// Whether the query string of a GET asks for the WSDL: `wsdl` or `singleWsdl` in any case, with or without a value.
pub fn asks_for_wsdl(query: &str) -> bool {
    query.split('&').any(|part| {
        let name = part.split('=').next().unwrap_or_default();
        name.eq_ignore_ascii_case("wsdl") || name.eq_ignore_ascii_case("singleWsdl")
    })
}

/// Writes the WSDL. `address` is the URL of the service, from the configuration.
pub fn wsdl(
    service: Service,
    request: &'static Message,
    answer: &'static Message,
    address: &str,
) -> String {
    let mut out = String::with_capacity(16 * 1024);
    let writer = Writer {
        service,
        request,
        answer,
        address,
    };
    // Writing to a String does not fail.
    let _ = write!(out, "{writer}");
    out
}

struct Writer<'a> {
    service: Service,
    request: &'static Message,
    answer: &'static Message,
    address: &'a str,
}

impl fmt::Display for Writer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.service.name();
        let name = self.service.element();
        let namespace = self.request.namespace;
        let types = types::NAMESPACE;
        writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
        writeln!(
            out,
            r#"<wsdl:definitions name="{name}" targetNamespace="{namespace}" xmlns:tns="{namespace}" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/">"#
        )?;
        writeln!(
            out,
            "<wsdl:documentation>Servizio {operation} del Sistema TS. Nomi, spazi dei nomi e vincoli sono propri di questo progetto: dei servizi non è pubblico un WSDL ufficiale.</wsdl:documentation>"
        )?;
        writeln!(out, "<wsdl:types>")?;
        writeln!(
            out,
            r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="{types}" targetNamespace="{types}" elementFormDefault="qualified">"#
        )?;
        let named = NamedTypes::of_all_services();
        named
            .texts
            .iter()
            .try_for_each(|text| write_text_type(out, text))?;
        named
            .structures
            .iter()
            .try_for_each(|structure| write_structure_type(out, structure))?;
        writeln!(out, "</xs:schema>")?;
        writeln!(
            out,
            r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="{types}" targetNamespace="{namespace}" elementFormDefault="qualified">"#
        )?;
        writeln!(out, r#"<xs:import namespace="{types}"/>"#)?;
        write_message(out, self.request)?;
        write_message(out, self.answer)?;
        writeln!(out, "</xs:schema>")?;
        writeln!(out, "</wsdl:types>")?;
        for (message, part) in [(self.request, "richiesta"), (self.answer, "ricevuta")] {
            let element = message.element;
            writeln!(
                out,
                r#"<wsdl:message name="{element}"><wsdl:part name="{part}" element="tns:{element}"/></wsdl:message>"#
            )?;
        }
        writeln!(
            out,
            r#"<wsdl:portType name="{name}PortType"><wsdl:operation name="{operation}"><wsdl:documentation>{}</wsdl:documentation><wsdl:input message="tns:{}"/><wsdl:output message="tns:{}"/></wsdl:operation></wsdl:portType>"#,
            Escaped(self.request.documentation),
            self.request.element,
            self.answer.element
        )?;
        writeln!(
            out,
            r#"<wsdl:binding name="{name}Binding" type="tns:{name}PortType"><soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>"#
        )?;
        writeln!(
            out,
            r#"<wsdl:operation name="{operation}"><soap:operation soapAction="{namespace}:{operation}" style="document"/><wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation></wsdl:binding>"#
        )?;
        writeln!(
            out,
            r#"<wsdl:service name="{name}Service"><wsdl:port name="{name}Port" binding="tns:{name}Binding"><soap:address location="{}"/></wsdl:port></wsdl:service>"#,
            Escaped(self.address)
        )?;
        writeln!(out, "</wsdl:definitions>")
    }
}

/// The named types that the messages of all services use, each once, in order of first use; inner structures before outer ones.
#[derive(Default)]
struct NamedTypes {
    texts: Vec<&'static TextType>,
    structures: Vec<&'static StructureType>,
}

impl NamedTypes {
    fn of_all_services() -> Self {
        let mut named = Self::default();
        for (_, request, answer) in messages::ALL {
            named.collect(request.elements);
            named.collect(answer.elements);
        }
        named
    }

    fn collect(&mut self, elements: &'static [Element]) {
        for element in elements {
            match element.content {
                Content::BuiltIn(_) => {}
                Content::Text(text) => {
                    if self.texts.iter().all(|known| known.name != text.name) {
                        self.texts.push(text);
                    }
                }
                Content::Structure(structure) => {
                    self.collect(structure.elements);
                    let name = structure.name;
                    if self.structures.iter().all(|known| known.name != name) {
                        self.structures.push(structure);
                    }
                }
            }
        }
    }
}

fn write_text_type(out: &mut fmt::Formatter<'_>, text: &TextType) -> fmt::Result {
    write!(out, r#"<xs:simpleType name="{}">"#, text.name)?;
    write_documentation(out, text.documentation)?;
    write!(out, r#"<xs:restriction base="xs:string">"#)?;
    for facet in text.facets {
        match facet {
            Facet::Pattern(pattern) => {
                write!(out, r#"<xs:pattern value="{}"/>"#, Escaped(pattern))?;
            }
            Facet::MinLength(length) => write!(out, r#"<xs:minLength value="{length}"/>"#)?,
            Facet::MaxLength(length) => write!(out, r#"<xs:maxLength value="{length}"/>"#)?,
        }
    }
    writeln!(out, "</xs:restriction></xs:simpleType>")
}

fn write_structure_type(out: &mut fmt::Formatter<'_>, structure: &StructureType) -> fmt::Result {
    write!(out, r#"<xs:complexType name="{}">"#, structure.name)?;
    write_documentation(out, structure.documentation)?;
    writeln!(out, "<xs:sequence>")?;
    structure
        .elements
        .iter()
        .try_for_each(|element| write_element(out, element))?;
    writeln!(out, "</xs:sequence></xs:complexType>")
}

fn write_message(out: &mut fmt::Formatter<'_>, message: &Message) -> fmt::Result {
    write!(out, r#"<xs:element name="{}">"#, message.element)?;
    write_documentation(out, message.documentation)?;
    writeln!(out, "<xs:complexType><xs:sequence>")?;
    message
        .elements
        .iter()
        .try_for_each(|element| write_element(out, element))?;
    writeln!(out, "</xs:sequence></xs:complexType></xs:element>")
}

fn write_element(out: &mut fmt::Formatter<'_>, element: &Element) -> fmt::Result {
    let (prefix, type_name) = match element.content {
        Content::BuiltIn(name) => ("xs", name),
        Content::Text(text) => ("t", text.name),
        Content::Structure(structure) => ("t", structure.name),
    };
    write!(
        out,
        r#"<xs:element name="{}" type="{prefix}:{type_name}""#,
        element.name
    )?;
    match element.occurs {
        Occurs::Once => {}
        Occurs::Optional => write!(out, r#" minOccurs="0""#)?,
        Occurs::Many => write!(out, r#" minOccurs="0" maxOccurs="unbounded""#)?,
    }
    write!(out, ">")?;
    write_documentation(out, element.documentation)?;
    writeln!(out, "</xs:element>")
}

fn write_documentation(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(
        out,
        r#"<xs:annotation><xs:documentation xml:lang="it">{}</xs:documentation></xs:annotation>"#,
        Escaped(text)
    )
}

/// A text as character data or as the value of an attribute in double quotes.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => out.write_str("&amp;")?,
                '<' => out.write_str("&lt;")?,
                '>' => out.write_str("&gt;")?,
                '"' => out.write_str("&quot;")?,
                other => out.write_char(other)?,
            }
        }
        Ok(())
    }
}

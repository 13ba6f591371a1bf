//! The namespace declarations in scope while a document is read.

use std::borrow::Cow;

use super::fault::{Limit, Malformed, SoapFault};
use super::names::attribute_value;
use super::types;

/// SOAP 1.1 envelopes.
pub(super) const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ENVELOPE_12: &str = "http://www.w3.org/2003/05/soap-envelope";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// A namespace, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    /// No namespace.
    None,
    /// SOAP 1.1.
    Envelope,
    /// SOAP 1.2.
    Envelope12,
    /// `xsi`.
    Instance,
    /// `xml`.
    Xml,
    /// The service's own.
    Service,
    /// The shared types.
    Types,
    /// Any other.
    Other,
}

#[derive(Clone, Copy)]
struct Binding<'a> {
    prefix: &'a str,
    /// As written: references in it are resolved again where two unknown names are compared.
    raw: &'a str,
    namespace: Namespace,
    depth: usize,
}

/// The declarations in scope, newest last.
pub(super) struct Bindings<'a> {
    service: &'static str,
    declared: [Binding<'a>; Limit::Bindings.value()],
    count: usize,
}

impl<'a> Bindings<'a> {
    /// None but `xml`. `service` is the namespace told apart as [`Namespace::Service`].
    pub(super) fn new(service: &'static str) -> Self {
        let unused = Binding {
            prefix: "",
            raw: "",
            namespace: Namespace::None,
            depth: 0,
        };
        Self {
            service,
            declared: [unused; Limit::Bindings.value()],
            count: 0,
        }
    }

    /// Declares `prefix` (empty: the default namespace) on an element at `depth`.
    pub(super) fn declare(
        &mut self,
        prefix: &'a str,
        raw: &'a str,
        depth: usize,
    ) -> Result<(), SoapFault> {
        let forbidden = SoapFault::Malformed {
            problem: Malformed::NamespaceDeclaration,
            position: None,
        };
        let namespace = self.classify(raw)?.ok_or(forbidden.clone())?;
        let allowed = match prefix {
            "xmlns" => false,
            "xml" => namespace == Namespace::Xml,
            // Only the default namespace can be undeclared.
            "" => namespace != Namespace::Xml,
            _ => namespace != Namespace::Xml && namespace != Namespace::None,
        };
        if !allowed {
            return Err(forbidden);
        }
        let slot = self
            .declared
            .get_mut(self.count)
            .ok_or(SoapFault::TooMuch(Limit::Bindings))?;
        *slot = Binding {
            prefix,
            raw,
            namespace,
            depth,
        };
        self.count += 1;
        Ok(())
    }

    /// Forgets what was declared at `depth` or deeper.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.count > 0 && self.declared[self.count - 1].depth >= depth {
            self.count -= 1;
        }
    }

    /// The namespace of a prefix in scope; `None` if it is not declared.
    pub(super) fn resolve(&self, prefix: &str) -> Option<Namespace> {
        match self.find(prefix) {
            Some(binding) => Some(binding.namespace),
            None if prefix.is_empty() => Some(Namespace::None),
            None if prefix == "xml" => Some(Namespace::Xml),
            None => None,
        }
    }

    /// The name of the namespace that a prefix in scope stands for; empty if it is not declared.
    pub(super) fn name_of(&self, prefix: &str) -> Cow<'a, str> {
        self.find(prefix)
            // It was resolved once, when it was declared.
            .and_then(|binding| attribute_value(binding.raw).ok())
            .unwrap_or_default()
    }

    /// Whether two declared prefixes stand for the same namespace.
    pub(super) fn same_namespace(&self, left: &str, right: &str) -> bool {
        if left == right {
            return true;
        }
        match (self.find(left), self.find(right)) {
            (Some(left), Some(right)) => {
                left.namespace == right.namespace
                    && (left.namespace != Namespace::Other
                        || attribute_value(left.raw) == attribute_value(right.raw))
            }
            _ => false,
        }
    }

    fn find(&self, prefix: &str) -> Option<&Binding<'a>> {
        self.declared[..self.count]
            .iter()
            .rev()
            .find(|binding| binding.prefix == prefix)
    }

    /// `None` for the namespace of namespace declarations, which must not be declared.
    fn classify(&self, raw: &str) -> Result<Option<Namespace>, SoapFault> {
        let value: Cow<'_, str> = attribute_value(raw).map_err(|problem| SoapFault::Malformed {
            problem,
            position: None,
        })?;
        let value = value.as_ref();
        Ok(Some(match value {
            "" => Namespace::None,
            ENVELOPE => Namespace::Envelope,
            types::NAMESPACE => Namespace::Types,
            INSTANCE => Namespace::Instance,
            ENVELOPE_12 => Namespace::Envelope12,
            XML => Namespace::Xml,
            XMLNS => return Ok(None),
            _ if value == self.service => Namespace::Service,
            _ => Namespace::Other,
        }))
    }
}

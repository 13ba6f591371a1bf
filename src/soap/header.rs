//! Headers of a SOAP envelope: for whom they are, and which of them a fault may name.
//!
//! This server understands no header. A fault names the one that must be understood, as SOAP 1.1 §4.4.1 wishes; but what a
//! stranger wrote is never sent back, so only names of the table here are told.

/// The `actor` of a header that is for the first that reads the message, whoever that is (SOAP 1.1, §4.2.2).
const NEXT: &str = "http://schemas.xmlsoap.org/soap/actor/next";

/// Whether a header with this `actor` is for this server; one without is for who carries the request out, which it is too.
pub(super) fn is_for_this_server(actor: &str) -> bool {
    actor.is_empty() || actor == NEXT
}

/// A header that toolkits are known to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownHeader {
    qualified_name: &'static str,
    namespace: &'static str,
}

const WS_SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WS_ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const WS_ADDRESSING_2004: &str = "http://schemas.xmlsoap.org/ws/2004/08/addressing";
const WS_RELIABLE_MESSAGING: &str = "http://docs.oasis-open.org/ws-rx/wsrm/200702";
const WS_RELIABLE_MESSAGING_2005: &str = "http://schemas.xmlsoap.org/ws/2005/02/rm";
const WS_COORDINATION: &str = "http://docs.oasis-open.org/ws-tx/wscoor/2006/06";
const WS_COORDINATION_2004: &str = "http://schemas.xmlsoap.org/ws/2004/10/wscoor";

const ADDRESSING_NAMES: [&str; 7] = [
    "wsa:Action",
    "wsa:To",
    "wsa:From",
    "wsa:ReplyTo",
    "wsa:FaultTo",
    "wsa:MessageID",
    "wsa:RelatesTo",
];
const RELIABLE_MESSAGING_NAMES: [&str; 3] = [
    "wsrm:Sequence",
    "wsrm:AckRequested",
    "wsrm:SequenceAcknowledgement",
];

/// Namespaces with the names in them, each with the prefix that its standard gives it.
const KNOWN: [(&str, &[&str]); 7] = [
    (WS_SECURITY, &["wsse:Security"]),
    (WS_ADDRESSING, &ADDRESSING_NAMES),
    (WS_ADDRESSING_2004, &ADDRESSING_NAMES),
    (WS_RELIABLE_MESSAGING, &RELIABLE_MESSAGING_NAMES),
    (WS_RELIABLE_MESSAGING_2005, &RELIABLE_MESSAGING_NAMES),
    (WS_COORDINATION, &["wscoor:CoordinationContext"]),
    (WS_COORDINATION_2004, &["wscoor:CoordinationContext"]),
];

impl KnownHeader {
    /// The header of this namespace and local name, if it is known.
    #[must_use]
    pub fn find(namespace: &str, local: &str) -> Option<Self> {
        KNOWN
            .iter()
            .filter(|(known, _)| *known == namespace)
            .find_map(|&(namespace, names)| {
                let names = names.iter().copied();
                names
                    .filter(|name| {
                        name.split_once(':')
                            .is_some_and(|(_, known)| known == local)
                    })
                    .map(|qualified_name| Self {
                        qualified_name,
                        namespace,
                    })
                    .next()
            })
    }

    /// Its name with the prefix that its standard gives it, such as `wsse:Security`.
    #[must_use]
    pub const fn qualified_name(self) -> &'static str {
        self.qualified_name
    }

    /// Its namespace.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        self.namespace
    }
}

#[cfg(test)]
mod tests {
    //! Failure here means that a header is named that is none of ours to name, or taken for another's.
    use super::*;

    #[test]
    fn only_names_of_the_table_are_known() {
        let known = KnownHeader::find(WS_ADDRESSING_2004, "ReplyTo").map(|header| {
            assert_eq!(header.namespace(), WS_ADDRESSING_2004);
            header.qualified_name()
        });
        assert_eq!(known, Some("wsa:ReplyTo"));
        for (namespace, local) in [
            (WS_ADDRESSING, "Security"),
            (WS_SECURITY, "security"),
            (WS_SECURITY, "wsse:Security"),
            ("urn:a", "Action"),
            ("", ""),
        ] {
            assert_eq!(KnownHeader::find(namespace, local), None);
        }
    }

    #[test]
    fn a_header_is_for_who_it_says() {
        assert!(is_for_this_server("") && is_for_this_server(NEXT));
        assert!(!is_for_this_server("urn:a") && !is_for_this_server("next"));
    }
}

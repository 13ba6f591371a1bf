"""Reads documents (hexadecimal, one a line) with libxml2 and says of each what it is, one line of JSON each:
null if it is not well-formed (namespaces included), false if nothing is wrong with it but a namespace that is no URI (which
neither the standard for namespaces nor we demand), else the texts of the message's leaves by local name."""

import json
import sys

from lxml import etree

SERVICE = "{urn:sistemats:invioEsecuzioneTest:v1}"
TYPES = "{urn:sistemats:tipi:v1}"

for line in sys.stdin:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(bytes.fromhex(line.strip()), parser)
    except (etree.XMLSyntaxError, ValueError):
        errors = {error.type_name for error in parser.error_log if error.level > etree.ErrorLevels.WARNING}
        print("false" if errors == {"WAR_NS_URI"} else "null")
        continue
    texts = {}
    message = root.find("{http://schemas.xmlsoap.org/soap/envelope/}Body/" + SERVICE + "InvioEsecuzioneTestRichiesta")
    if message is not None:
        leaves = [child for child in message if isinstance(child.tag, str)]
        for structure in message.findall(SERVICE + "identificativoStruttura"):
            leaves.remove(structure)
            leaves += [child for child in structure if isinstance(child.tag, str)]
        for leaf in leaves:
            text = (leaf.text or "").strip(" \t\r\n")
            if text:
                texts[etree.QName(leaf).localname] = text
    print(json.dumps(texts))

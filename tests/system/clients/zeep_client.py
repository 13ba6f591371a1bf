"""Submits with zeep from the served WSDL, as a developer at a region or a laboratory would, and checks what comes back.

Standard input: one JSON object, see `tests/system/clients.rs`. Standard output: the CUNs received, one a line.
Ends with 0 only if every answer was right; a traceback says which was not.
"""

import datetime
import json
import pathlib
import sys
import tempfile

import requests
import zeep
import zeep.plugins
from lxml import etree

TARGET = "urn:sistemats:invioEsecuzioneTest:v1"
TYPES = "urn:sistemats:tipi:v1"
SCHEMA = "{http://www.w3.org/2001/XMLSchema}"
ENVELOPE = "{http://schemas.xmlsoap.org/soap/envelope/}"

told = json.load(sys.stdin)
endpoint = told["address"] + "/soap/v1/invioEsecuzioneTest"
by_certificate = told["certificate"] is not None


def session(with_credentials=True):
    made = requests.Session()
    # No proxy, authority or password from this machine's environment.
    made.trust_env = False
    made.verify = told["authority"]
    if with_credentials and by_certificate:
        made.cert = (told["certificate"], told["key"])
    elif with_credentials:
        made.auth = (told["user"], told["password"])
    return made


def compiled(served):
    """The schemas of the WSDL as libxml2 compiles them. They import each other without a location, which libxml2 wants: it is all that is added."""
    schemas = {schema.get("targetNamespace"): schema for schema in etree.fromstring(served).iter(SCHEMA + "schema")}
    assert set(schemas) == {TARGET, TYPES}, set(schemas)
    with tempfile.TemporaryDirectory() as folder:
        types = pathlib.Path(folder, "types.xsd")
        types.write_bytes(etree.tostring(schemas[TYPES]))
        (imported,) = schemas[TARGET].findall(SCHEMA + "import")
        assert dict(imported.attrib) == {"namespace": TYPES}, dict(imported.attrib)
        imported.set("schemaLocation", types.as_uri())
        main = pathlib.Path(folder, "main.xsd")
        main.write_bytes(etree.tostring(schemas[TARGET]))
        return etree.XMLSchema(etree.parse(str(main)))


def message(envelope):
    """The one element in the Body, as a document of its own."""
    (element,) = envelope.find(ENVELOPE + "Body")
    return etree.fromstring(etree.tostring(element))


# The WSDL needs no credentials, and names the address of the configuration, not the one it was asked at.
anonymous = session(with_credentials=False)
wsdl = anonymous.get(endpoint + "?wsdl", timeout=30)
assert wsdl.status_code == 200 and wsdl.headers["content-type"].startswith("text/xml"), wsdl.headers
for query in ["?WSDL", "?singleWsdl"]:
    assert anonymous.get(endpoint + query, timeout=30).content == wsdl.content, query
schema = compiled(wsdl.content)

history = zeep.plugins.HistoryPlugin()
transport = zeep.Transport(session=anonymous, timeout=30, operation_timeout=30)
client = zeep.Client(endpoint + "?wsdl", transport=transport, plugins=[history])
(service,) = client.wsdl.services.values()
(port,) = service.ports.values()
assert (service.name, port.name) == ("InvioEsecuzioneTestService", "InvioEsecuzioneTestPort")
assert port.binding_options["address"] == told["public_url"] + "/soap/v1/invioEsecuzioneTest", port.binding_options


def service_for(session):
    transport.session = session
    return client.create_service("{%s}InvioEsecuzioneTestBinding" % TARGET, endpoint)


def submission(**changes):
    """What this kind of caller says of a positive swab of today."""
    region, asl, structure = told["structure"].split("-")
    values = {
        "tipoAutenticazione": "2F" if by_certificate else None,
        "pinCode": told["pincode"],
        "identificativoStruttura": {"codiceRegione": region, "codiceAsl": asl, "codiceStruttura": structure},
        "codiceFiscaleAssistito": told["fiscal_code"],
        "dataPrelievo": datetime.date.fromisoformat(told["today"]),
        "tipologiaTest": "M",
        "esitoTest": "P",
    }
    values.update(changes)
    return {name: value for name, value in values.items() if value is not None}


codes = []


def submit(esito, mistakes=(), in_schema=True, **changes):
    """Submits, and checks all that every answer has: its schema, its types, its outcome and (code, type, element) of its mistakes, in order."""
    answer = caller.invioEsecuzioneTest(**submission(**changes))
    assert schema.validate(message(history.last_sent["envelope"])) == in_schema, (changes, schema.error_log)
    schema.assertValid(message(history.last_received["envelope"]))
    assert answer.esito == esito, answer
    assert isinstance(answer.descrizioneEsito, str) and answer.descrizioneEsito, answer
    errors = [] if answer.listaErrori is None else answer.listaErrori.errore
    assert [(error.codice, error.tipo, error.campo) for error in errors] == list(mistakes), errors
    assert all(isinstance(error.descrizione, str) and error.descrizione for error in errors), errors
    assert isinstance(answer.dataOra, datetime.datetime), type(answer.dataOra)
    assert answer.dataOra.utcoffset() in (datetime.timedelta(hours=1), datetime.timedelta(hours=2)), answer.dataOra
    age = datetime.datetime.now(datetime.timezone.utc) - answer.dataOra
    assert abs(age) < datetime.timedelta(minutes=5), answer.dataOra
    assert isinstance(answer.identificativoTransazione, str)
    assert answer.identificativoTransazione.startswith("CUN-") == (esito != "9999"), answer
    return answer


def received(answer):
    codes.append(answer.identificativoTransazione)
    return answer


def is_refused(faultcode, part_of_text, session):
    try:
        service_for(session).invioEsecuzioneTest(**submission())
    except zeep.exceptions.Fault as fault:
        assert fault.code == faultcode and part_of_text in fault.message, fault
    else:
        raise AssertionError("served without credentials")


is_refused("soap:Client", "Certificato client mancante" if by_certificate else "Credenziali mancanti", anonymous)
caller = service_for(session())

received(submit("0000"))
received(submit("0000", esitoTest="N"))
received(submit("0000", contattoEmail="paziente@esempio.it"))
first = received(submit("0000", identificativoRichiesta="zeep 1", numeroCellulare="+393331234567"))
again = submit(
    "0001",
    [("4001", "W", None)],
    identificativoRichiesta="zeep 1",
    numeroCellulare="+393331234567",
)
assert again.identificativoTransazione == first.identificativoTransazione
assert again.dataOra == first.dataOra
submit("9999", [("4002", "E", "identificativoRichiesta")], identificativoRichiesta="zeep 1", esitoTest="N")

described = {"identificativoStruttura": None, "descrizioneStruttura": "Drive-in di piazza d'Armi <est> & città"}
if by_certificate:
    received(submit("0000", **described))
else:
    submit(
        "9999",
        [("1103", "E", "identificativoStruttura"), ("1104", "E", "descrizioneStruttura")],
        **described,
    )

own_mistake = (
    {"tipoAutenticazione": "XX"} if by_certificate else {"tipoAutenticazione": "SPID"}
)
submit(
    "9999",
    [
        ("1012" if by_certificate else "1013", "E", "tipoAutenticazione"),
        ("1021", "E", "identificativoRichiesta"),
        ("1203", "E", "codiceFiscaleAssistito"),
        ("1302", "E", "dataPrelievo"),
        ("1311", "E", "tipologiaTest"),
        ("1312", "E", "esitoTest"),
        ("1401", "E", "numeroCellulare"),
        ("1402", "E", "contattoEmail"),
        ("1403", "E", "contattoEmail"),
    ],
    in_schema=False,
    identificativoRichiesta="k" * 65,
    codiceFiscaleAssistito="BNCLRA75E41F205A",
    dataPrelievo=datetime.date(2999, 12, 31),
    tipologiaTest="R",
    esitoTest="X",
    numeroCellulare="12",
    contattoEmail="nessuno",
    **own_mistake,
)

print("\n".join(codes))

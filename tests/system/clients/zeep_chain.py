"""Submits, lists and cancels as a region and a structure would, verifies, unlocks and confirms as a call centre's system would, and sends codes
as an ASL's would, with zeep from the served WSDLs.

Standard input: one JSON object, see `tests/system/clients.rs`. Ends with 0 only if every answer was right; a traceback says which was not.
"""

import datetime
import json
import sys

import requests
import zeep

told = json.load(sys.stdin)
today = datetime.date.fromisoformat(told["today"])


def session(caller):
    made = requests.Session()
    # No proxy, authority or password from this machine's environment.
    made.trust_env = False
    made.verify = told["authority"]
    if "certificate" in caller:
        made.cert = (caller["certificate"], caller["key"])
    else:
        made.auth = (caller["user"], caller["password"])
    return made


def operation(caller, service):
    """The service's operation, of a client made from the WSDL of the caller's own listener."""
    endpoint = caller["address"] + "/soap/v1/" + service
    transport = zeep.Transport(session=session(caller), timeout=30, operation_timeout=30)
    client = zeep.Client(endpoint + "?wsdl", transport=transport)
    (described,) = client.wsdl.services.values()
    (port,) = described.ports.values()
    assert port.binding_options["address"] == caller["public_url"] + "/soap/v1/" + service, port.binding_options
    name = service[0].upper() + service[1:]
    return getattr(client.create_service("{urn:sistemats:%s:v1}%sBinding" % (service, name), endpoint), service)


def ask(caller, service, esito, mistakes=(), **values):
    answer = operation(caller, service)(**values)
    assert answer.esito == esito, answer
    errors = [] if answer.listaErrori is None else answer.listaErrori.errore
    assert [(error.codice, error.tipo, error.campo) for error in errors] == list(mistakes), errors
    assert isinstance(answer.dataOra, datetime.datetime), type(answer.dataOra)
    assert isinstance(answer.identificativoTransazione, str) and len(answer.identificativoTransazione) == 36, answer
    return answer


desk, region, user = told["desk"], told["region"], told["user"]

# Swabs of each, listed and taken back.
region_code, asl_code, structure_code = told["structure"].split("-")
structure = {"codiceRegione": region_code, "codiceAsl": asl_code, "codiceStruttura": structure_code}
patient = {"codiceFiscaleAssistito": told["patient"]}
kind = {"identificativoStruttura": structure, "tipologiaTest": "M"}
for caller, signs in ((region, {"tipoAutenticazione": "2F"}), (user, {"pinCode": told["pincode"]})):
    submit = operation(caller, "invioEsecuzioneTest")
    cun = submit(dataPrelievo=today, esitoTest="P", **signs, **patient, **kind).identificativoTransazione
    interval = {"dataInizioIntervallo": today, "dataFineIntervallo": today, "identificativoUtente": told["lister"]}
    listed = ask(caller, "elencoTestEffettuati", "0000", **signs, **interval, **kind)
    tests = listed.listaTest.test
    day_before = {"dataInizioIntervallo": today - datetime.timedelta(days=2), "dataFineIntervallo": today - datetime.timedelta(days=2)}
    none = ask(caller, "elencoTestEffettuati", "0000", identificativoUtente=told["lister"], **day_before, **signs, **kind)
    # zeep makes None of an element that is there and empty.
    assert none.listaTest is None and none.segnalibro is None, none
    assert listed.segnalibro is None and [test.identificativoTest for test in tests][-1] == cun, listed
    last = tests[-1]
    assert (last.dataPrelievo, last.dataInserimento, last.esitoTest, last.tipologiaTest) == (today, today, "P", "M"), last
    assert last.identificativoStruttura.codiceStruttura == structure_code and last.descrizioneStruttura is None, last
    first = ask(caller, "elencoTestEffettuati", "0001", [("1611", "W", None)], massimoElementi=1, **signs, **interval, **kind)
    assert len(first.listaTest.test) == 1 and first.segnalibro, first
    rest = ask(caller, "elencoTestEffettuati", "0000", segnalibro=first.segnalibro, **signs, **interval, **kind)
    assert len(rest.listaTest.test) == len(tests) - 1 and rest.segnalibro is None, rest
    ask(caller, "annullamentoEsecuzioneTest", "0000", identificativoTransazione=cun, **signs, **patient, **kind)
    again = [("3021", "W", None)]
    ask(caller, "annullamentoEsecuzioneTest", "0001", again, identificativoTransazione=cun, **signs, **patient, **kind)

operator = {"tipoAutenticazione": "2F", "codiceFiscaleOperatore": told["operator"]}
wrong_card = ask(
    desk, "verificaPositivita", "9999", [("3001", "E", None)], numeroTesseraSanitaria="11111111", cun=told["cun"], **operator
)
assert wrong_card.idVerificaTampone is None and wrong_card.dataPrelievo is None, wrong_card
verified = ask(desk, "verificaPositivita", "0000", numeroTesseraSanitaria=told["card"], cun=told["cun"], **operator)
assert verified.dataPrelievo == today, verified
unlock = {"dataInizioSintomi": today, "idVerificaTampone": verified.idVerificaTampone, **operator}
ask(desk, "sbloccoCodiceImmuni", "9999", [("1512", "E", "codiceOtp")], codiceOtp="59FU36KR45", **unlock)
ask(desk, "sbloccoCodiceImmuni", "0000", codiceOtp=told["codes"][0], **unlock)
confirm = {"idTipoComunicazione": "C", "cun": told["cun"], "idVerificaTampone": verified.idVerificaTampone, **operator}
options = {"opzione": [{"chiave": "canale", "valore": "telefono"}, {"chiave": "tentativi", "valore": "1"}]}
ask(desk, "confermaSbloccoImmuni", "0000", opzioni=options, **confirm)
ask(desk, "confermaSbloccoImmuni", "0001", [("3022", "W", None)], **confirm)

ask(
    region,
    "invioCodiceOtp",
    "0000",
    tipoAutenticazione="2F",
    codiceFiscaleOperatore=told["asl_operator"],
    codiceOtp=told["codes"][1],
    dataInizioSintomi=told["today"],
    **patient,
)
ask(user, "invioCodiceOtp", "0000", pinCode=told["pincode"], codiceOtp=told["codes"][2], **patient)

// Calls all seven services with what gowsdl generates from their WSDLs, on every listener that each has: submits, lists and cancels as a region
// and a structure, verifies, unlocks and confirms as a call centre, and sends codes as an ASL.
//
// Standard input: one JSON object, see `tests/system/clients.rs`. Ends with 0 only if every answer was right.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hooklift/gowsdl/soap"

	"sistema-ts-client-tests/generated/annullamentoesecuzionetest"
	"sistema-ts-client-tests/generated/confermasbloccoimmuni"
	"sistema-ts-client-tests/generated/elencotesteffettuati"
	"sistema-ts-client-tests/generated/inviocodiceotp"
	"sistema-ts-client-tests/generated/invioesecuzionetest"
	"sistema-ts-client-tests/generated/sbloccocodiceimmuni"
	"sistema-ts-client-tests/generated/verificapositivita"
)

type caller struct {
	Address     string
	Certificate string
	Key         string
	User        string
	Password    string
}

type instructions struct {
	Authority   string
	Desk        caller
	Region      caller
	User        caller
	Operator    string
	AslOperator string `json:"asl_operator"`
	Pincode     string
	Patient     string
	Card        string
	Cun         string
	Structure   string
	Lister      string
	Codes       []string
	Today       string
}

var (
	told      instructions
	authority *x509.CertPool
	today     time.Time
)

func main() {
	must(json.NewDecoder(os.Stdin).Decode(&told))
	pem, err := os.ReadFile(told.Authority)
	must(err)
	authority = x509.NewCertPool()
	expect(authority.AppendCertsFromPEM(pem), "no authority")
	today, err = time.Parse("2006-01-02", told.Today)
	must(err)

	withoutCertificateThereIsAFaultWithItsCode()
	swabs(told.Region)
	swabs(told.User)
	desk()
	asl()
}

// The HTTP client of a caller: its certificate, or none; no proxy of this machine is between the two.
func httpClient(who caller) *http.Client {
	config := &tls.Config{RootCAs: authority}
	if who.Certificate != "" {
		certificate, err := tls.LoadX509KeyPair(who.Certificate, who.Key)
		must(err)
		config.Certificates = []tls.Certificate{certificate}
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}
}

func client(who caller, service string) *soap.Client {
	options := []soap.Option{soap.WithHTTPClient(httpClient(who))}
	if who.User != "" {
		options = append(options, soap.WithBasicAuth(who.User, who.Password))
	}
	return soap.NewClient(who.Address+"/soap/v1/"+service, options...)
}

func withoutCertificateThereIsAFaultWithItsCode() {
	stranger := client(caller{Address: told.Desk.Address}, "verificaPositivita")
	_, err := verificapositivita.NewVerificaPositivitaPortType(stranger).VerificaPositivita(&verificapositivita.VerificaPositivitaRichiesta{})
	var refused *soap.HTTPError
	expect(errors.As(err, &refused), err)
	body := string(refused.ResponseBody)
	expect(refused.StatusCode == 500 && strings.Contains(body, "<t:codice>6021</t:codice>"), body)
}

// Swabs of a region or of a structure: submitted, listed, taken back.
func swabs(who caller) {
	parts := strings.Split(told.Structure, "-")
	region, asl, structure := parts[0], parts[1], parts[2]

	submission := &invioesecuzionetest.InvioEsecuzioneTestRichiesta{
		IdentificativoStruttura: &invioesecuzionetest.IdentificativoStruttura{
			CodiceRegione:   as[invioesecuzionetest.CodiceRegione](region),
			CodiceAsl:       as[invioesecuzionetest.CodiceAsl](asl),
			CodiceStruttura: as[invioesecuzionetest.CodiceStruttura](structure),
		},
		IdentificativoRichiesta: as[invioesecuzionetest.IdentificativoRichiesta]("gowsdl " + who.User),
		CodiceFiscaleAssistito:  as[invioesecuzionetest.CodiceFiscale](told.Patient),
		DataPrelievo:            soap.CreateXsdDate(today, false),
		TipologiaTest:           as[invioesecuzionetest.TipologiaTest]("M"),
		EsitoTest:               as[invioesecuzionetest.EsitoTest]("P"),
	}
	if who.User == "" {
		submission.TipoAutenticazione = as[invioesecuzionetest.TipoAutenticazione]("2F")
	} else {
		submission.PinCode = as[invioesecuzionetest.PinCode](told.Pincode)
	}
	submit := invioesecuzionetest.NewInvioEsecuzioneTestPortType(client(who, "invioEsecuzioneTest"))
	submitted, err := submit.InvioEsecuzioneTest(submission)
	must(err)
	expect(*submitted.Esito == "0000" && submitted.ListaErrori == nil, submitted)
	cun := string(*submitted.IdentificativoTransazione)
	expect(time.Since(submitted.DataOra.ToGoTime()).Abs() < 5*time.Minute, submitted.DataOra)
	again, err := submit.InvioEsecuzioneTest(submission)
	must(err)
	expect(*again.Esito == "0001" && string(*again.IdentificativoTransazione) == cun, again)
	expect(len(again.ListaErrori.Errore) == 1 && *again.ListaErrori.Errore[0].Codice == "4001", again.ListaErrori)

	listing := &elencotesteffettuati.ElencoTestEffettuatiRichiesta{
		IdentificativoStruttura: &elencotesteffettuati.IdentificativoStruttura{
			CodiceRegione:   as[elencotesteffettuati.CodiceRegione](region),
			CodiceAsl:       as[elencotesteffettuati.CodiceAsl](asl),
			CodiceStruttura: as[elencotesteffettuati.CodiceStruttura](structure),
		},
		DataInizioIntervallo: soap.CreateXsdDate(today, false),
		DataFineIntervallo:   soap.CreateXsdDate(today, false),
		TipologiaTest:        as[elencotesteffettuati.TipologiaTest]("M"),
		IdentificativoUtente: as[elencotesteffettuati.CodiceFiscale](told.Lister),
	}
	if who.User == "" {
		listing.TipoAutenticazione = as[elencotesteffettuati.TipoAutenticazione]("2F")
	} else {
		listing.PinCode = as[elencotesteffettuati.PinCode](told.Pincode)
	}
	list := elencotesteffettuati.NewElencoTestEffettuatiPortType(client(who, "elencoTestEffettuati"))
	listed, err := list.ElencoTestEffettuati(listing)
	must(err)
	expect(*listed.Esito == "0000", listed)
	tests := listed.ListaTest.Test
	last := tests[len(tests)-1]
	expect(string(*last.IdentificativoTest) == cun && *last.EsitoTest == "P", last)
	expect(string(*last.IdentificativoStruttura.CodiceStruttura) == structure, last.IdentificativoStruttura)
	listing.MassimoElementi = 1
	first, err := list.ElencoTestEffettuati(listing)
	must(err)
	expect(*first.Esito == "0001" && len(first.ListaTest.Test) == 1 && first.Segnalibro != nil, first)
	// A day on which nothing was communicated: an empty list, not none.
	listing.DataInizioIntervallo = soap.CreateXsdDate(today.AddDate(0, 0, -2), false)
	listing.DataFineIntervallo = listing.DataInizioIntervallo
	none, err := list.ElencoTestEffettuati(listing)
	must(err)
	expect(*none.Esito == "0000" && none.ListaTest != nil && len(none.ListaTest.Test) == 0, none)

	cancellation := &annullamentoesecuzionetest.AnnullamentoEsecuzioneTestRichiesta{
		IdentificativoStruttura: &annullamentoesecuzionetest.IdentificativoStruttura{
			CodiceRegione:   as[annullamentoesecuzionetest.CodiceRegione](region),
			CodiceAsl:       as[annullamentoesecuzionetest.CodiceAsl](asl),
			CodiceStruttura: as[annullamentoesecuzionetest.CodiceStruttura](structure),
		},
		CodiceFiscaleAssistito:    as[annullamentoesecuzionetest.CodiceFiscale](told.Patient),
		IdentificativoTransazione: as[annullamentoesecuzionetest.CunEsatto](cun),
		TipologiaTest:             as[annullamentoesecuzionetest.TipologiaTest]("M"),
	}
	if who.User == "" {
		cancellation.TipoAutenticazione = as[annullamentoesecuzionetest.TipoAutenticazione]("2F")
	} else {
		cancellation.PinCode = as[annullamentoesecuzionetest.PinCode](told.Pincode)
	}
	cancel := annullamentoesecuzionetest.NewAnnullamentoEsecuzioneTestPortType(client(who, "annullamentoEsecuzioneTest"))
	cancelled, err := cancel.AnnullamentoEsecuzioneTest(cancellation)
	must(err)
	expect(*cancelled.Esito == "0000", cancelled)
}

// A call centre: a wrong card, the right one, unlock, confirmation with options.
func desk() {
	verify := verificapositivita.NewVerificaPositivitaPortType(client(told.Desk, "verificaPositivita"))
	ask := func(card string) *verificapositivita.VerificaPositivitaRicevuta {
		verified, err := verify.VerificaPositivita(&verificapositivita.VerificaPositivitaRichiesta{
			TipoAutenticazione:     as[verificapositivita.TipoAutenticazione]("2F"),
			CodiceFiscaleOperatore: as[verificapositivita.CodiceFiscale](told.Operator),
			NumeroTesseraSanitaria: as[verificapositivita.NumeroTesseraSanitaria](card),
			Cun:                    as[verificapositivita.Cun](told.Cun),
		})
		must(err)
		return verified
	}
	wrong := ask("11111111")
	expect(*wrong.Esito == "9999" && *wrong.ListaErrori.Errore[0].Codice == "3001" && wrong.IdVerificaTampone == nil, wrong)
	verified := ask(told.Card)
	expect(*verified.Esito == "0000", verified)
	session := string(*verified.IdVerificaTampone)

	unlocked, err := sbloccocodiceimmuni.NewSbloccoCodiceImmuniPortType(client(told.Desk, "sbloccoCodiceImmuni")).SbloccoCodiceImmuni(
		&sbloccocodiceimmuni.SbloccoCodiceImmuniRichiesta{
			TipoAutenticazione:     as[sbloccocodiceimmuni.TipoAutenticazione]("2F"),
			CodiceOtp:              as[sbloccocodiceimmuni.CodiceOtp](told.Codes[0]),
			DataInizioSintomi:      soap.CreateXsdDate(today, false),
			CodiceFiscaleOperatore: as[sbloccocodiceimmuni.CodiceFiscale](told.Operator),
			IdVerificaTampone:      as[sbloccocodiceimmuni.IdVerificaTampone](session),
		})
	must(err)
	expect(*unlocked.Esito == "0000", unlocked)

	confirmation := &confermasbloccoimmuni.ConfermaSbloccoImmuniRichiesta{
		TipoAutenticazione:     as[confermasbloccoimmuni.TipoAutenticazione]("2F"),
		IdTipoComunicazione:    as[confermasbloccoimmuni.TipoComunicazione]("C"),
		CodiceFiscaleOperatore: as[confermasbloccoimmuni.CodiceFiscale](told.Operator),
		IdVerificaTampone:      as[confermasbloccoimmuni.IdVerificaTampone](session),
		Cun:                    as[confermasbloccoimmuni.Cun](told.Cun),
		Opzioni: &confermasbloccoimmuni.Opzioni{Opzione: []*confermasbloccoimmuni.Opzione{
			{Chiave: as[confermasbloccoimmuni.Chiave]("canale"), Valore: as[confermasbloccoimmuni.Valore]("telefono")},
			{Chiave: as[confermasbloccoimmuni.Chiave]("tentativi"), Valore: as[confermasbloccoimmuni.Valore]("1")},
		}},
	}
	confirm := confermasbloccoimmuni.NewConfermaSbloccoImmuniPortType(client(told.Desk, "confermaSbloccoImmuni"))
	for _, esito := range []confermasbloccoimmuni.Esito{"0000", "0001"} {
		confirmed, err := confirm.ConfermaSbloccoImmuni(confirmation)
		must(err)
		expect(*confirmed.Esito == esito, confirmed)
	}
}

// An ASL, by its region's certificate and by its operator's password.
func asl() {
	byRegion := &inviocodiceotp.InvioCodiceOtpRichiesta{
		TipoAutenticazione:     as[inviocodiceotp.TipoAutenticazione]("2F"),
		CodiceFiscaleOperatore: as[inviocodiceotp.CodiceFiscale](told.AslOperator),
		CodiceOtp:              as[inviocodiceotp.CodiceOtp](told.Codes[1]),
		DataInizioSintomi:      as[inviocodiceotp.DataFacoltativa](told.Today),
		CodiceFiscaleAssistito: as[inviocodiceotp.CodiceFiscale](told.Patient),
	}
	byUser := &inviocodiceotp.InvioCodiceOtpRichiesta{
		PinCode:                as[inviocodiceotp.PinCode](told.Pincode),
		CodiceOtp:              as[inviocodiceotp.CodiceOtp](told.Codes[2]),
		CodiceFiscaleAssistito: as[inviocodiceotp.CodiceFiscale](told.Patient),
	}
	for _, send := range []struct {
		who     caller
		request *inviocodiceotp.InvioCodiceOtpRichiesta
	}{{told.Region, byRegion}, {told.User, byUser}} {
		sent, err := inviocodiceotp.NewInvioCodiceOtpPortType(client(send.who, "invioCodiceOtp")).InvioCodiceOtp(send.request)
		must(err)
		expect(*sent.Esito == "0000", sent)
	}
}

// gowsdl makes a type of its own of each named string type, and a pointer of each element.
func as[T ~string](value string) *T {
	typed := T(value)
	return &typed
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func expect(right bool, what any) {
	if !right {
		text, err := json.Marshal(what)
		panic(fmt.Sprintf("%s %v %v", text, err, what))
	}
}

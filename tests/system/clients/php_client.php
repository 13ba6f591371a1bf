<?php
// Submits with PHP's SoapClient from the served WSDL, and checks what comes back. Input and output are those of zeep_client.py.
declare(strict_types=1);

set_error_handler(function (int $level, string $text): never {
    throw new ErrorException($text);
});

function expect(bool $right, mixed $what): void
{
    if (!$right) {
        throw new RuntimeException(json_encode($what, JSON_UNESCAPED_UNICODE));
    }
}

$told = json_decode(file_get_contents('php://stdin'));
$endpoint = "$told->address/soap/v1/invioEsecuzioneTest";

function open(object $told, string $endpoint, bool $with_credentials): SoapClient
{
    $tls = ['cafile' => $told->authority, 'verify_peer' => true, 'verify_peer_name' => true];
    $options = ['location' => $endpoint, 'cache_wsdl' => WSDL_CACHE_NONE, 'exceptions' => true, 'features' => SOAP_SINGLE_ELEMENT_ARRAYS];
    if ($with_credentials && $told->certificate !== null) {
        $tls += ['local_cert' => $told->certificate, 'local_pk' => $told->key];
    } elseif ($with_credentials) {
        $options += ['login' => $told->user, 'password' => $told->password];
    }
    $options['stream_context'] = stream_context_create(['ssl' => $tls]);
    return new SoapClient("$endpoint?wsdl", $options);
}

[$region, $asl, $structure] = explode('-', $told->structure);
$base = ($told->certificate !== null ? ['tipoAutenticazione' => '2F'] : ['pinCode' => $told->pincode]) + [
    'identificativoStruttura' => ['codiceRegione' => $region, 'codiceAsl' => $asl, 'codiceStruttura' => $structure],
    'codiceFiscaleAssistito' => $told->fiscal_code,
    'dataPrelievo' => $told->today,
    'tipologiaTest' => 'M',
    'esitoTest' => 'P',
];

try {
    open($told, $endpoint, false)->invioEsecuzioneTest($base);
    expect(false, 'served without credentials');
} catch (SoapFault $fault) {
    $says = $told->certificate !== null ? 'Certificato client mancante' : 'Credenziali mancanti';
    expect($fault->faultcode === 'soap:Client' && str_starts_with($fault->faultstring, $says), $fault->faultstring);
}

$client = open($told, $endpoint, true);

function submit(string $esito, array $codes, array $changes): object
{
    global $client, $base;
    $answer = $client->invioEsecuzioneTest($changes + $base);
    expect($answer->esito === $esito, $answer);
    $errors = $answer->listaErrori->errore ?? [];
    expect(array_map(fn (object $error): string => $error->codice, $errors) === $codes, $answer);
    $at = new DateTimeImmutable($answer->dataOra);
    expect(abs(time() - $at->getTimestamp()) < 300, $answer);
    return $answer;
}

$positive = submit('0000', [], ['identificativoRichiesta' => 'php 1']);
$again = submit('0001', ['4001'], ['identificativoRichiesta' => 'php 1']);
expect($again->identificativoTransazione === $positive->identificativoTransazione, $again);
expect($again->dataOra === $positive->dataOra, $again);
$negative = submit('0000', [], ['esitoTest' => 'N', 'numeroCellulare' => '+393331234567']);
submit('9999', ['1311', '1312'], ['tipologiaTest' => 'R', 'esitoTest' => 'X']);
echo $positive->identificativoTransazione, "\n", $negative->identificativoTransazione, "\n";

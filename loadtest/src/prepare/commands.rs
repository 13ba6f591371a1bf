//! The commands that register what was prepared, and those that remove it.

use super::preparation::Preparation;

const HEAD: &str = "#!/usr/bin/env bash
# Written by `loadtest prepare`. Run it where the server's data is, as the server's user, with its configuration in SISTEMA_TS_CONFIGURATION and the
# program, if it is not on the path, in SISTEMA_TS. It can be run again: what is done already stays as it is.
set -euo pipefail
# Paths of the caller's folder hold in this one too.
SISTEMA_TS_CONFIGURATION=$(realpath \"${SISTEMA_TS_CONFIGURATION:?is missing, the path of the configuration file of the server}\")
export SISTEMA_TS_CONFIGURATION
sistema_ts=${SISTEMA_TS:-sistema-ts}
case $sistema_ts in */*) sistema_ts=$(realpath \"$sistema_ts\") ;; esac
cd \"$(dirname \"$0\")\"
admin() { \"$sistema_ts\" admin \"$@\"; }
";

/// A text as one word of a shell, whatever stands in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Registers. What was there before is not in `registered`, and is not touched by [`remove`].
pub(super) fn register(preparation: &Preparation) -> String {
    let mut text = String::from(HEAD);
    text += "umask 077
touch registered
# add WHAT NAME ARGUMENTS…: registers what is not registered, and remembers that it did. What is disabled is enabled only where ENABLE=yes.
add() {
    local what=$1 name=$2 shown
    shift 2
    if shown=$(admin \"$what\" show \"$name\" 2>/dev/null); then
        grep -qE '^enabled +no$' <<<\"$shown\" || return 0
        if [ \"${ENABLE:-}\" != yes ]; then
            echo \"register.sh: $what $name is registered and disabled. If an earlier load test left it so, run this again with ENABLE=yes.\" >&2
            return 2
        fi
        admin \"$what\" enable \"$name\"
    else
        admin \"$what\" add \"$name\" \"$@\"
    fi
    echo \"$what $name\" >>registered
}
# user NAME STRUCTURE PROFILES…: registers a user, or lets her call again. Another one's password is not known here, and is not reset.
user() {
    local name=$1 structure=$2 shown
    shift 2
    if [ ! -s \"users/$name.json\" ]; then
        admin --json user add \"$name\" --structure \"$structure\" --fiscal-code-file \"operators/$name\" \"$@\" >\"users/$name.new\"
        mv \"users/$name.new\" \"users/$name.json\"
        return
    fi
    shown=$(admin user show \"$name\")
    grep -qE '^enabled +no$' <<<\"$shown\" || return 0
    if [ \"${ENABLE:-}\" != yes ]; then
        echo \"register.sh: user $name is registered and disabled. If an earlier load test left it so, run this again with ENABLE=yes.\" >&2
        return 2
    fi
    admin user enable \"$name\"
}
# unknown NAME: before anything is registered, whether another folder's user has this name.
unknown() {
    [ -s \"users/$1.json\" ] || ! admin user show \"$1\" >/dev/null 2>&1 || {
        echo \"register.sh: user $1 is registered, and its password is not in this folder: prepare with another --name. Nothing was registered.\" >&2
        return 2
    }
}
# signed FILE: before anything is registered, whether a request has come back as a certificate.
signed() {
    [ -s \"certificates/$1.crt\" ] || {
        echo \"register.sh: certificates/$1.crt is missing: have requests/$1.csr signed, and put the certificate there. Nothing was registered.\" >&2
        return 2
    }
}
# operators KIND CODE FILE PROFILES…
operators() {
    local kind=$1 code=$2 file=$3
    shift 3
    echo \"operators of $kind $code:\"
    admin operator import \"--$kind\" \"$code\" \"$@\" \"$file\"
}
# certificate KIND CODE FILE
certificate() {
    grep -qxF \"certificate $3\" registered && return 0
    admin certificate add \"--$1\" \"$2\" \"$3\"
    echo \"certificate $3\" >>registered
}
";
    for number in 0..preparation.structures {
        text += &format!("unknown {}\n", preparation.user(number));
    }
    let pki = preparation.development_pki.is_some();
    if !pki {
        for name in preparation.certified() {
            text += &format!("signed {name}\n");
        }
    }
    for region in &preparation.regions {
        let code = region.as_str();
        let file = preparation.region_file(*region);
        let certificate = quoted(&preparation.identity(&file).0);
        if pki {
            text += &pki_line(preparation, &file, &format!("region --code {code}"));
        }
        text += &format!("add region {code}\ncertificate region {code} {certificate}\n");
        text += &format!(
            "operators region {code} operators/region-{code} --profile elencoTestEffettuati --profile invioCodiceOtp\n"
        );
    }
    for number in 0..preparation.call_centers {
        let code = preparation.call_center(number);
        let certificate = quoted(&preparation.identity(&code).0);
        if pki {
            text += &pki_line(
                preparation,
                &code,
                &format!("call-center --code {code} --name {code}"),
            );
        }
        text += &format!(
            "add call-center {code} --name {code}\ncertificate call-center {code} {certificate}\n\
             grep -qxF 'network {code}' registered || {{ admin network add --call-center {code} {network} && echo 'network {code}' >>registered; }}\n\
             operators call-center {code} operators/{code}\n",
            network = quoted(&preparation.network)
        );
    }
    if preparation.structures > 0 {
        text += "mkdir -p users\n";
    }
    for number in 0..preparation.structures {
        let (user, structure) = (preparation.user(number), preparation.structure(number));
        text += &format!(
            "add structure {structure} --description 'Load test {name}'\n\
             user {user} {structure} --profile invioEsecuzioneTest --profile annullamentoEsecuzioneTest --profile invioCodiceOtp\n",
            name = preparation.name
        );
    }
    let name = &preparation.name;
    text += &format!(
        "\"$sistema_ts\" cards status | grep -qxF 'added: {name}' || \"$sistema_ts\" cards import --add {name} cards.csv\n"
    );
    text
}

fn pki_line(preparation: &Preparation, file: &str, what: &str) -> String {
    let certificate = preparation.identity(file).0;
    let folder = certificate
        .rsplit_once('/')
        .map_or(".", |(folder, _)| folder);
    format!(
        "[ -e {} ] || \"$sistema_ts\" pki {what} --folder {} --file {file}\n",
        quoted(&certificate),
        quoted(folder)
    )
}

/// Revokes, admits again or renews the caller that an event names. What it does is written to `registered`, so that [`remove`] fits it.
pub(super) fn admission(preparation: &Preparation) -> String {
    let mut text = String::from(HEAD);
    text += "# admission.sh revoke|admit|renew: for the caller that LOADTEST_CALLER_KIND and LOADTEST_CALLER name, as events of scenarios do. Its certificate is
# taken from the server's register, put there again, or replaced by a new one.
kind=certificate
case \"${LOADTEST_CALLER_KIND:?} ${LOADTEST_CALLER:?}\" in
";
    let mut certificate = |kind: &str, code: &str, file: &str, issue: &str| {
        let (certificate, key) = preparation.identity(file);
        let folder = certificate
            .rsplit_once('/')
            .map_or(".", |(folder, _)| folder);
        text += &format!(
            "    '{kind} {code}') certificate={} key={} folder={} issue=({kind} --code {code}{issue}) ;;\n",
            quoted(&certificate),
            quoted(&key),
            quoted(folder),
        );
    };
    for region in &preparation.regions {
        let file = preparation.region_file(*region);
        certificate("region", region.as_str(), &file, "");
    }
    for number in 0..preparation.call_centers {
        let code = preparation.call_center(number);
        certificate("call-center", &code, &code, &format!(" --name {code}"));
    }
    for number in 0..preparation.structures {
        text += &format!(
            "    'structure {}') kind=user ;;\n",
            preparation.user(number)
        );
    }
    text += "    *) echo \"admission.sh: $LOADTEST_CALLER was not prepared here\" >&2; exit 2 ;;
esac
take() { admin certificate remove \"--$LOADTEST_CALLER_KIND\" \"$LOADTEST_CALLER\" \"$1\"; }
put() { admin certificate add \"--$LOADTEST_CALLER_KIND\" \"$LOADTEST_CALLER\" \"$1\"; }
case \"$kind $1\" in
    'certificate revoke')
        take \"$certificate\"
        grep -vxF \"certificate $certificate\" registered >registered.new || true
        mv registered.new registered
        ;;
    'certificate admit')
        put \"$certificate\"
        echo \"certificate $certificate\" >>registered
        ;;
";
    if preparation.development_pki.is_some() {
        text += "    'certificate renew')
        name=renewed-$LOADTEST_CALLER-$$
        \"$sistema_ts\" pki \"${issue[@]}\" --folder \"$folder\" --file \"$name\"
        put \"$folder/$name.crt\"
        cp \"$certificate\" \"$folder/$name.old\"
        mv \"$folder/$name.key\" \"$key\"
        mv \"$folder/$name.crt\" \"$certificate\"
        take \"$folder/$name.old\"
        rm \"$folder/$name.old\"
        ;;
";
    }
    text += "    'user revoke') admin user disable \"$LOADTEST_CALLER\" ;;
    'user admit') admin user enable \"$LOADTEST_CALLER\" ;;
    *) echo \"admission.sh: $1 is nothing that can be done to $LOADTEST_CALLER\" >&2; exit 2 ;;
esac
";
    text
}

/// Removes what [`register`] has registered. Regions, structures, call centres and users have access records, and are disabled.
pub(super) fn remove(preparation: &Preparation) -> String {
    let mut text = String::from(HEAD);
    text += "touch registered
# gone COMMAND…: done, or done before; then nothing is said.
gone() {
    local said
    if said=$(\"$@\" 2>&1); then
        echo \"$said\"
        return
    fi
    grep -q 'is not registered$' <<<\"$said\" || {
        echo \"$said\" >&2
        return 2
    }
}
# disable WHAT NAME: what was not there before is refused from now on.
disable() { if grep -qxF \"$1 $2\" registered; then admin \"$1\" disable \"$2\"; fi; }
# without KIND CODE FILE
without() { if grep -qxF \"certificate $3\" registered; then gone admin certificate remove \"--$1\" \"$2\" \"$3\"; fi; }
# dismiss KIND CODE FILE: forgets the operators of a file.
dismiss() {
    while read -r code; do gone admin operator remove \"--$1\" \"$2\" <<<\"$code\" >/dev/null; done <\"$3\"
    echo \"$(wc -l <\"$3\") operators of $1 $2 removed\"
}
";
    for region in &preparation.regions {
        let code = region.as_str();
        let certificate = quoted(&preparation.identity(&preparation.region_file(*region)).0);
        text += &format!(
            "without region {code} {certificate}\ndismiss region {code} operators/region-{code}\ndisable region {code}\n"
        );
    }
    for number in 0..preparation.call_centers {
        let code = preparation.call_center(number);
        let certificate = quoted(&preparation.identity(&code).0);
        text += &format!(
            "without call-center {code} {certificate}\ndismiss call-center {code} operators/{code}\n\
             if grep -qxF 'network {code}' registered; then gone admin network remove --call-center {code} {network}; fi\ndisable call-center {code}\n",
            network = quoted(&preparation.network)
        );
    }
    for number in 0..preparation.structures {
        let (user, structure) = (preparation.user(number), preparation.structure(number));
        text += &format!("gone admin user disable {user}\ndisable structure {structure}\n");
    }
    let name = &preparation.name;
    text += &format!(
        "if \"$sistema_ts\" cards status | grep -xF 'added: {name}' >/dev/null; then \"$sistema_ts\" cards remove {name}; fi\nrm registered\n"
    );
    text
}

//! The authority: what is kept, what is certified, who verifies it.

use std::process::Command;

use super::*;

fn open(folder: &Path) -> Authority {
    Authority::open(&folder.join("authority"), &NAMES, None, Timestamp::now).unwrap()
}

#[test]
fn it_is_made_once_and_its_key_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path());
    let certificate = fs::read(first.certificate()).unwrap();
    let again = open(folder.path());
    assert_eq!(fs::read(again.certificate()).unwrap(), certificate);
    let mode = |name: &str| {
        let found = fs::metadata(folder.path().join("authority").join(name)).unwrap();
        found.permissions().mode() & 0o777
    };
    assert_eq!((mode(KEY_FILE), mode(CERTIFICATE_FILE)), (0o600, 0o644));
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1);
}

#[test]
fn many_that_start_at_once_have_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let all: Vec<Vec<u8>> = std::thread::scope(|scope| {
        // Processes in life, which the numbers in names tell apart; here one makes it before the others look.
        open(path);
        let opening: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| fs::read(open(path).certificate()).unwrap()))
            .collect();
        opening.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn only_names_of_the_cloud_are_certified() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    for host in [
        "dynamodb.eu-west-1.amazonaws.com",
        "x.execute-api.eu-west-1.amazonaws.com.",
        "LAMBDA.eu-west-1.AMAZONAWS.COM",
        "sqs.cn-north-1.amazonaws.com.cn",
        "dynamodb.eu-west-1.api.aws",
    ] {
        assert!(authority.certified(host).is_some(), "{host}");
    }
    for host in [
        "example.org",
        "notamazonaws.com",
        "amazonaws.com.example.org",
        "",
    ] {
        assert!(authority.certified(host).is_none(), "{host}");
    }
}

#[test]
fn what_a_client_verifies_holds() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    for host in ["dynamodb.eu-west-1.amazonaws.com", "amazonaws.com"] {
        let certified = authority.certified(host).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        let text = fs::read_to_string(authority.certificate()).unwrap();
        let encoded: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let root = CertificateDer::from(STANDARD.decode(encoded).unwrap());
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
        let verify = |name: &str| {
            use rustls::client::danger::ServerCertVerifier as _;
            let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
            let now = rustls::pki_types::UnixTime::now();
            verifier.verify_server_cert(&certified.cert[0], &[], &name, &[], now)
        };
        verify(host).unwrap();
        assert!(verify("example.org").is_err());
    }
}

/// The strictest reader that is at hand: what it refuses, some client does.
#[test]
fn openssl_reads_and_verifies_them_strictly() {
    let folder = tempfile::tempdir().unwrap();
    let authority = open(folder.path());
    let certified = authority.certified("s3.amazonaws.com").unwrap();
    let host = folder.path().join("host.pem");
    fs::write(&host, pem(&certified.cert[0])).unwrap();
    let run = Command::new("openssl")
        .args([
            "verify",
            "-x509_strict",
            "-verify_hostname",
            "s3.amazonaws.com",
            "-CAfile",
        ])
        .args([authority.certificate(), &host])
        .output();
    // Without it the other tests must do.
    if let Ok(output) = run {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn what_the_system_trusts_stays_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let system = folder.path().join("system.pem");
    fs::write(&system, "the system's\n").unwrap();
    let path = folder.path().join("authority");
    let authority = Authority::open(&path, &NAMES, Some(&system), Timestamp::now).unwrap();
    let roots = fs::read_to_string(authority.roots().unwrap()).unwrap();
    assert!(roots.starts_with("-----BEGIN") && roots.ends_with("the system's\n"));
}

//! Encryption between nodes: who listens on the wire, and who has no certificate.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::three::{EVERYTHING, FIND_MAX, Three, knowing, places};
use super::whole::whole;
use super::work::Work;
use crate::node::{Place, port, until};

/// What nobody but the nodes may hear.
const SECRET: &str = "a-name-that-nobody-may-hear";

/// Whoever signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        Authority(CertifiedIssuer::self_signed(params, key).expect("it signs itself"))
    }

    /// A place whose nodes have a certificate for this host.
    fn certify(&self, place: Place, host: &str) -> Place {
        self.certify_among(place, host, self)
    }

    /// The same for a node that believes another authority.
    fn certify_among(&self, place: Place, host: &str, believed: &Authority) -> Place {
        let params = CertificateParams::new([host.to_owned()]).expect("a host");
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.0).expect("it signs");
        let folder = place.folder().to_owned();
        place
            .see("OARLOCK_PEER__TLS_CERT", kept(&folder, "cert.pem", &signed.pem()))
            .see("OARLOCK_PEER__TLS_KEY", kept(&folder, "key.pem", &key.serialize_pem()))
            .see("OARLOCK_PEER__TLS_CA", kept(&folder, "ca.pem", &believed.0.pem()))
    }
}

fn kept(folder: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, text).expect("the folder is there");
    path.to_string_lossy().into_owned()
}

/// Somebody on the wire before a node, who hears what is said to it and by it.
struct Listener {
    heard: Arc<Mutex<Vec<u8>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// Between this port and the one behind it.
    async fn between(outside: u16, inside: u16) -> Listener {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, outside)).await.expect("a free port");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = heard.clone();
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = bound.accept().await {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, inside)).await else {
                    continue;
                };
                let ((a, b), (c, d)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(a, d, hearing.clone()));
                tokio::spawn(carry(c, b, hearing.clone()));
            }
        });
        Listener { heard, task }
    }

    fn heard(&self, words: &str) -> bool {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.windows(words.len()).any(|part| part == words.as_bytes())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let mut piece = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..length]);
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}

/// Three nodes, the second of which is reached past a listener, and are given something to say.
async fn overheard(mut places: Vec<Place>) -> (Three, Listener) {
    let (outside, inside) = (port(), port());
    let second = places.remove(1).see("OARLOCK_PEER__ADVERTISE", format!("127.0.0.1:{outside}"));
    places.insert(1, second);
    let listener = Listener::between(outside, inside).await;
    let peers = vec![port(), inside, port()];
    let three = Three::at(places, peers, EVERYTHING).await;
    let file = format!("kind: workflow\nname: {SECRET}\ntasks:\n  hello: {{run: echo hello}}\n");
    three.client().apply(file).send().await.expect("the file is right");
    let second = three.nodes[1].client();
    until(FIND_MAX, "the second node has it", async || second.workflow(SECRET).get().await.is_ok())
        .await;
    (three, listener)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_on_the_wire_hears_nothing_when_nodes_encrypt() {
    let (three, listener) = overheard(places()).await;
    assert!(listener.heard(SECRET), "without certificates everybody hears everything");
    drop((three, listener));

    let authority = Authority::new();
    let hidden = places().into_iter().map(|place| authority.certify(place, "127.0.0.1"));
    let (three, listener) = overheard(hidden.collect()).await;
    let work = Work::begin(&three.client(), three.each(), three.places[0].folder()).await;
    work.goes_on(20).await;
    // Its own links and those of its actors, made anew past the same listener.
    let mut three = three;
    three.nodes.remove(1).kill();
    work.goes_on(20).await;
    let back = three.again(1);
    three.nodes.insert(1, back);
    three.settled().await;
    work.goes_on(20).await;
    whole(&three.client(), &three.each(), work).await;
    let heard = listener.heard.lock().unwrap_or_else(PoisonError::into_inner).len();
    assert!(heard > 10_000, "something was said past the listener: {heard} bytes");
    assert!(!listener.heard(SECRET) && !listener.heard("oarpeer"), "it was heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_certificate_of_the_cluster_is_left_outside_and_told_why() {
    let authority = Authority::new();
    let hidden = places().into_iter().take(1).map(|place| authority.certify(place, "127.0.0.1"));
    let one = Three::start(hidden.collect()).await;
    let join = one.first();
    let ask = |place: Place, join: &str| {
        let place = knowing(place);
        let data = place.data().to_string_lossy().into_owned();
        let listen = format!("127.0.0.1:{}", port());
        let words = ["server", "--data", &data, "--peer-listen", &listen, "--join", join];
        let said = place.say(&[&words[..], &["--port", "0"]].concat()).expect(1);
        assert!(said.err.contains(join), "{}", said.err);
        said.err
    };
    let plain = ask(Place::new(), &join);
    assert!(plain.contains("speaks TLS") && plain.contains("peer.tls_cert"), "{plain}");
    let other = Authority::new();
    let doubter = ask(other.certify(Place::new(), "127.0.0.1"), &join);
    assert!(doubter.contains("invalid peer certificate"), "{doubter}");
    let stranger = ask(other.certify_among(Place::new(), "127.0.0.1", &authority), &join);
    assert!(stranger.contains("does not accept this node's certificate"), "{stranger}");
    assert_eq!(one.cluster().await.members.len(), 1);

    let elsewhere = authority.certify(Place::new(), "elsewhere.example");
    let one = Three::start(vec![elsewhere]).await;
    let told = ask(authority.certify(Place::new(), "127.0.0.1"), &one.first());
    assert!(told.contains("not valid for name"), "{told}");
}

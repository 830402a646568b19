//! `tranship serve --storage s3://…`: several servers on one bucket, interruptions, and what is said when it cannot be.

use std::io::Write as _;
use std::net::TcpStream;

use oci_distribution::client::{Client, ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_distribution::secrets::RegistryAuth;

use crate::support::content::{noise, sha256};
use crate::support::eventually;
use crate::support::images::{Content, image, index};
use crate::support::object_storage::{Bucket, let_in};
use crate::support::program::Program;
use crate::support::push::{Registry, block_on};
use crate::support::served::Served;
use crate::support::skopeo::Skopeo;

const MIB: usize = 1024 * 1024;

/// A program that may use every bucket.
fn program() -> Program {
    let mut program = Program::new();
    let_in(&mut program);
    program
}

fn begin(registry: &Registry) -> String {
    registry.request("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").unwrap().to_owned()
}

#[test]
fn what_one_server_takes_another_hands_out_and_goes_on_with() {
    needs!("moto_server");
    let (bucket, program) = (Bucket::new(), program());
    let (one, two) = (bucket.served_by(&program), bucket.served_by(&program));
    let (image, platforms) = (image().build(), index(vec![image().build(), image().architecture("arm64").build()]));
    one.registry().push("team/app", &image, &["v1"]);
    two.registry().push("team/all", &platforms, &["v1"]);
    assert!(two.registry().holds("team/app", &image) && one.registry().holds("team/all", &platforms));
    let content = Content::new("application/octet-stream", noise(1, 13 * MIB));
    let place = begin(&one.registry());
    let (mut sent, servers) = (0, [one.registry(), two.registry()]);
    for (turn, to) in [4 * MIB, 11 * MIB, content.bytes.len()].into_iter().enumerate() {
        let range = format!("{sent}-{}", to - 1);
        let answer = servers[turn % 2].request("PATCH", &place, &[("Content-Range", &range)], &content.bytes[sent..to]);
        assert_eq!((answer.status, answer.header("range")), (202, Some(format!("0-{}", to - 1).as_str())));
        sent = to;
    }
    let end = format!("{place}?digest={}", content.digest);
    assert_eq!(two.registry().request("PUT", &end, &[], b"").status, 201);
    let target = format!("/v2/a/blobs/{}", content.digest);
    assert_eq!(one.registry().get(&target).body, content.bytes);
    let part = one.registry().request("GET", &target, &[("Range", "bytes=5242870-5242890")], b"");
    assert_eq!((part.status, part.body.as_slice()), (206, &content.bytes[5_242_870..=5_242_890]));
    let left = bucket.keys().into_iter().filter(|key| key.starts_with("uploads") || key.starts_with("rests"));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn what_was_acknowledged_outlives_the_server_and_an_upload_in_its_midst_goes_on_at_another() {
    needs!("moto_server");
    let (bucket, program) = (Bucket::new(), program());
    let (killed, other) = (bucket.served_by(&program), bucket.served_by(&program));
    let image = image().build();
    killed.registry().push("a", &image, &["v1"]);
    let place = begin(&killed.registry());
    let content = noise(2, 6 * MIB);
    assert_eq!(killed.registry().request("PATCH", &place, &[], &content[..MIB]).status, 202);
    // Announced and never sent whole, so that the server is in the midst of it when it is killed.
    let mut connection = TcpStream::connect(killed.address()).unwrap();
    let head = format!("PATCH {place} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", content.len() - MIB);
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(&content[MIB..content.len() - 1]).unwrap();
    let word = place.rsplit('/').next().unwrap();
    eventually("parts are given", || bucket.object(&format!("uploads/{word}")).contains("\"partsUnder\":\""));
    killed.end("KILL");
    assert!(other.registry().holds("a", &image));
    let asked = other.registry().get(&place);
    let range = asked.header("range").unwrap();
    let there = range.strip_prefix("0-").unwrap().parse::<usize>().unwrap() + 1;
    assert!(asked.status == 204 && [MIB, 5 * MIB].contains(&there), "{there} bytes");
    let end = format!("{place}?digest={}", sha256(&content));
    assert_eq!(other.registry().request("PUT", &end, &[], &content[there..]).status, 201);
    assert_eq!(other.registry().get(&format!("/v2/a/blobs/{}", sha256(&content))).body, content);
}

#[test]
fn tags_that_move_at_several_servers_at_once_point_at_whole_images() {
    needs!("moto_server");
    let (bucket, program) = (Bucket::new(), program());
    let servers = [bucket.served_by(&program), bucket.served_by(&program)];
    let images = [image().build(), image().build()];
    std::thread::scope(|scope| {
        for (server, image) in servers.iter().zip(&images) {
            scope.spawn(|| (0..3).for_each(|_| server.registry().push("a", image, &["v1"])));
        }
    });
    let found = servers[0].registry().manifest("a", "v1").unwrap();
    let image = images.iter().find(|image| image.digest() == found.digest).unwrap();
    assert!(servers.iter().all(|server| server.registry().holds("a", image)));
}

/// Writes and reads with clients that nobody of us wrote.
fn others_write_and_read(served: &Served) {
    let (skopeo, single) = (Skopeo::new(), image().layers(&[100, 6 * MIB]).build());
    let platforms = index(vec![image().build(), image().architecture("arm64").build()]);
    for (name, image) in [("single", &single), ("platforms", &platforms)] {
        served.registry().push(name, image, &["v1"]);
        let place = |tag: &str| format!("docker://{}/{name}-copy:{tag}", served.address());
        skopeo.copy(&format!("docker://{}/{name}:v1", served.address()), &place("v2")).unwrap();
        assert!(served.registry().holds(&format!("{name}-copy"), image));
        assert_eq!(skopeo.inspect_raw(&place("v2")).unwrap(), image.manifest.bytes);
    }
    let tags = skopeo.run(&["list-tags", "--tls-verify=false", &format!("docker://{}/single", served.address())]);
    assert!(String::from_utf8(tags.unwrap()).unwrap().contains("\"v1\""));
    block_on(oci_client_writes_and_reads(served.address()));
}

/// `oci-client`, in this process.
async fn oci_client_writes_and_reads(address: &str) {
    let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() });
    let reference = format!("{address}/of/oci-client:v1").parse().unwrap();
    let (layer, config) = (noise(3, 300_000), b"{}".to_vec());
    let layers = [ImageLayer::oci_v1(layer.clone(), None)];
    let pushed = client.push(&reference, &layers, Config::oci_v1(config, None), &RegistryAuth::Anonymous, None).await;
    assert!(pushed.unwrap().manifest_url.contains("/v2/of/oci-client/manifests/"));
    let accepted = vec![oci_distribution::manifest::IMAGE_LAYER_MEDIA_TYPE];
    let pulled = client.pull(&reference, &RegistryAuth::Anonymous, accepted).await.unwrap();
    assert_eq!(pulled.layers[0].data, layer);
    let tags = client.list_tags(&reference, &RegistryAuth::Anonymous, None, None).await.unwrap();
    assert_eq!(tags.tags, ["v1"]);
}

#[test]
fn clients_of_others_write_and_read_a_store() {
    needs!("skopeo");
    let program = Program::new();
    others_write_and_read(&Served::of(&program));
}

#[test]
fn clients_of_others_write_and_read_a_bucket() {
    needs!("skopeo", "moto_server");
    others_write_and_read(&Bucket::new().served_by(&program()));
}

#[test]
fn a_secret_opens_the_storage_and_what_cannot_be_opened_is_named_with_what_to_do() {
    needs!("moto_server");
    let bucket = Bucket::new();
    let program = Program::new();
    program.configure("vaults:\n- {name: v, backend: environment}\n");
    let flags = bucket.flags();
    let serve = |more: &[&str]| {
        let mut words = vec!["serve", "--listen", "127.0.0.1:0"];
        words.extend(flags.iter().map(String::as_str).chain(more.iter().copied()));
        program.invoke(&words).env("AWS_EC2_METADATA_DISABLED", "true")
    };
    serve(&["--storage-secret", "v/none"])
        .run()
        .code(4)
        .says("there is no secret v/none")
        .says("tranship secret set v/none");
    let mut opened = Program::new();
    opened.configure("vaults:\n- {name: v, backend: environment}\n");
    opened.set("TRANSHIP_SECRET_V_S3_USERNAME", "tests");
    opened.set("TRANSHIP_SECRET_V_S3_PASSWORD", "tests-password");
    let words: Vec<&str> =
        flags.iter().map(String::as_str).chain(["--storage-secret", "v/s3", "--storage-region", "us-east-1"]).collect();
    let served = Served::with(&opened, &words);
    assert_eq!(served.registry().get("/v2/").status, 200);
    let log = served.end("TERM");
    assert!(!log.contains("tests-password"));
    let run = program.run(&["serve", "--storage", "s3:/images"]).code(2);
    run.says("it is none of file:DIR, s3://BUCKET/PREFIX");
    let mut stranger = Program::new();
    let_in(&mut stranger);
    let absent = ["serve", "--storage", "s3://absent", "--storage-endpoint", &flags[3]];
    stranger.run(&absent).code(2).says("there is no such bucket").says("make the bucket");
    let nobody = ["serve", "--storage", "s3://absent", "--storage-endpoint", "http://127.0.0.1:9"];
    stranger.run(&nobody).code(5).says("s3://absent").says("see whether the storage answers");
}

#[test]
fn automatic_pull_into_a_bucket_is_refused() {
    needs!("moto_server");
    let (bucket, mut program) = (Bucket::new(), Program::new());
    let_in(&mut program);
    let flags = bucket.flags();
    let words: Vec<&str> = ["serve", "--upstream"].into_iter().chain(flags.iter().map(String::as_str)).collect();
    program.run(&words).code(2).says("a bucket does not keep what automatic pull brings").says("--storage file:DIR");
}

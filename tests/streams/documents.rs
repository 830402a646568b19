//! The documents of OpenShift: what `oc` writes is read, kept and given back.

use serde_yaml::Value;

use super::{document, file};
use crate::support::images::image;
use crate::support::program::Program;
use crate::support::scripted::Scripted;

/// As the library of OpenShift ships them: notes to be shown, a tag that follows another, the source policy of old.
const LIBRARY: &str = r#"kind: ImageStream
apiVersion: image.openshift.io/v1
metadata:
  name: python
  creationTimestamp:
  annotations:
    openshift.io/display-name: Python
spec:
  lookupPolicy: {local: false}
  tags:
    # What new applications get.
    - name: latest
      annotations:
        openshift.io/display-name: Python (Latest)
        description: >-
          Build and run Python applications on UBI.
        iconClass: icon-python
        tags: builder,python
        supports: python
        sampleRepo: https://github.com/sclorg/django-ex.git
      from: {kind: ImageStreamTag, name: 3.12-ubi9}   # follows
      referencePolicy: {type: Local}
    - name: 3.12-ubi9
      annotations:
        tags: "builder,python"
        version: '3.12'
      from:
        kind: DockerImage
        name: REGISTRY/ubi9/python-312:latest
      referencePolicy:
        type: Local
"#;

/// As `oc get imagestream -o yaml` prints a stream that is imported on schedule, with all that a cluster adds.
const CLUSTER: &str = r#"apiVersion: image.openshift.io/v1
kind: ImageStream
metadata:
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"image.openshift.io/v1","kind":"ImageStream","metadata":{"name":"ruby"}}
    openshift.io/image.dockerRepositoryCheck: "2026-03-02T10:11:12Z"
  creationTimestamp: "2026-01-05T09:00:00Z"
  generation: 7
  labels:
    app: ruby
  managedFields:
  - apiVersion: image.openshift.io/v1
    fieldsType: FieldsV1
    fieldsV1:
      f:spec: {".": {}, f:lookupPolicy: {f:local: {}}}
    manager: oc
    operation: Update
  name: ruby
  namespace: shop
  resourceVersion: "918273"
  uid: 5f0d1c53-1f1e-4b1c-8f0e-2f6ad1ad6a3e
spec:
  lookupPolicy:
    local: true
  tags:
  - annotations: null
    from:
      kind: DockerImage
      name: REGISTRY/ruby:3.3
    generation: 5
    importPolicy:
      importMode: PreserveOriginal
      insecure: true
      scheduled: true
    name: "3.3"
    referencePolicy:
      type: Source
  - annotations: null
    from:
      kind: DockerImage
      name: REGISTRY/ruby:gone
    generation: 7
    importPolicy:
      importMode: Legacy
    name: gone
    referencePolicy:
      type: Source
status:
  dockerImageRepository: image-registry.openshift-image-registry.svc:5000/shop/ruby
  publicDockerImageRepository: default-route.apps.example.com/shop/ruby
  tags:
  - items:
    - created: "2026-03-02T10:11:12Z"
      dockerImageReference: REGISTRY/ruby@sha256:1111111111111111111111111111111111111111111111111111111111111111
      generation: 5
      image: sha256:1111111111111111111111111111111111111111111111111111111111111111
    - created: "2026-01-05T09:00:00Z"
      dockerImageReference: REGISTRY/ruby@sha256:2222222222222222222222222222222222222222222222222222222222222222
      generation: 2
      image: sha256:2222222222222222222222222222222222222222222222222222222222222222
    tag: "3.3"
  - conditions:
    - generation: 7
      lastTransitionTime: "2026-03-02T10:11:12Z"
      message: dockerimage.image.openshift.io "REGISTRY/ruby:gone" not found
      reason: NotFound
      status: "False"
      type: ImportSuccess
    items: null
    tag: gone
"#;

/// Old ones: the first name of the version, a list in JSON, a stream that is pushed to, an image without a digest.
const LIST: &str = r#"{
  "kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": ""},
  "items": [
    {"kind": "ImageStream", "apiVersion": "v1", "metadata": {"name": "frontend", "creationTimestamp": null},
     "spec": {}, "status": {"dockerImageRepository": "172.30.1.1:5000/p/frontend", "tags": [
       {"tag": "latest", "items": [{"created": "2016-05-05T05:05:05Z", "generation": 1,
         "dockerImageReference": "172.30.1.1:5000/p/frontend:latest", "image": "4bf2a8b1c0"}]}]}},
    {"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": {"name": "mirror"},
     "spec": {"dockerImageRepository": "docker.io/library/redis", "tags": null}, "status": null}
  ]
}"#;

fn taken(program: &Program, text: &str) {
    program.invoke(&["stream", "create", "-f", "-"]).stdin(text).run().success();
}

#[test]
fn streams_of_openshift_are_taken_shown_and_given_back_as_they_are() {
    let program = Program::new();
    let texts = [LIBRARY, CLUSTER].map(|text| text.replace("REGISTRY", "registry.example.com"));
    taken(&program, &texts.join("---\n"));
    taken(&program, LIST);
    let names = program.run(&["stream", "list", "-q"]).success();
    assert_eq!(names.lines(), ["frontend", "mirror", "python", "ruby"]);
    assert_eq!(std::fs::read_to_string(file(&program, "ruby")).unwrap(), texts[1], "byte for byte");
    let given = program.run(&["stream", "show", "ruby", "-o", "yaml"]).success();
    let (given, text): (Value, Value) =
        (serde_yaml::from_str(&given.stdout).unwrap(), serde_yaml::from_str(&texts[1]).unwrap());
    assert_eq!(given, text);
    let shown = ["ruby", "python", "frontend"].map(|name| program.run(&["stream", "show", name]).success());
    let shown: Vec<String> = shown.iter().map(crate::listing::timeless).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    exit 0
    --- stdout
    Name:  ruby
    Namespace:  shop
    Created:  AGO
    Labels:  app=ruby
    Annotations:  openshift.io/image.dockerRepositoryCheck=2026-03-02T10:11:12Z
    Image Repository: image-registry.openshift-image-registry.svc:5000/shop/ruby
    Image Lookup:  local=true
    Unique Images:  2
    Tags:  2

    3.3
      updates automatically from registry registry.example.com/ruby:3.3
      will use insecure HTTPS or HTTP connections in OpenShift

      * registry.example.com/ruby@sha256:DIGEST
      AGO
      registry.example.com/ruby@sha256:DIGEST
      AGO

    gone
      tagged from registry.example.com/ruby:gone

      ! error: Import failed (NotFound): dockerimage.image.openshift.io "registry.example.com/ruby:gone" not found
      AGO
    --- stderr

    exit 0
    --- stdout
    Name:  python
    Annotations:  openshift.io/display-name=Python
    Image Lookup:  local=false
    Unique Images:  0
    Tags:  2

    3.12-ubi9
      tagged from registry.example.com/ubi9/python-312:latest
      prefer registry pullthrough when referencing this tag in OpenShift
      Tags: builder,python

      ~ not imported yet

    latest
      follows 3.12-ubi9
      prefer registry pullthrough when referencing this tag in OpenShift

      Build and run Python applications on UBI.
      Tags: builder,python
      Supports: python
      Example Repo: https://github.com/sclorg/django-ex.git
    --- stderr

    exit 0
    --- stdout
    Name:  frontend
    Image Repository: 172.30.1.1:5000/p/frontend
    Image Lookup:  local=false
    Unique Images:  0
    Tags:  1

    latest
      no spec tag

      * 172.30.1.1:5000/p/frontend:latest
      AGO
    --- stderr
    "#);
    let resolved = program.run(&["stream", "history", "ruby:3.3", "-q"]).success();
    assert_eq!(resolved.lines().len(), 2);
    program.run(&["resolve", "stream:python:latest"]).code(3).says("`python:latest` points at no image");
}

#[test]
fn a_change_touches_nothing_but_what_it_is_about() {
    let registry = Scripted::start();
    let (python, ruby) = (image().build(), image().build());
    registry.put("ubi9/python-312", &python, &["latest"]);
    registry.put("ruby", &ruby, &["3.3"]);
    let program = Program::new();
    let texts = [LIBRARY, CLUSTER].map(|text| text.replace("REGISTRY", &registry.address()));
    taken(&program, &texts.join("---\n"));

    program.run(&["stream", "import", "python"]).success();
    let text = std::fs::read_to_string(file(&program, "python")).unwrap();
    let (spec, status) = text.split_once("status:\n").unwrap();
    assert_eq!(spec.replace("  generation: 1\n", "").replace("  generation: 2\n", ""), texts[0], "{text}");
    assert!(status.contains(python.digest()));
    let tags = document(&program, "python")["status"]["tags"].clone();
    assert_eq!(tags.as_sequence().unwrap().len(), 2, "the one that follows has it too");

    program.run(&["stream", "import", "ruby:3.3"]).success();
    let before: Value = serde_yaml::from_str(&texts[1]).unwrap();
    let after = document(&program, "ruby");
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["managedFields"], before["metadata"]["managedFields"]);
    assert_eq!(after["status"]["publicDockerImageRepository"], before["status"]["publicDockerImageRepository"]);
    assert_eq!(after["status"]["tags"][1], before["status"]["tags"][1]);
    assert_eq!(after["status"]["tags"][0]["items"].as_sequence().unwrap().len(), 3);
    assert!(after["metadata"]["generation"].as_i64() > Some(7));
    program.run(&["stream", "tag", "-d", "python:latest"]).success();
    let text = std::fs::read_to_string(file(&program, "python")).unwrap();
    assert!(text.contains("version: '3.12'") && !text.contains("sampleRepo"), "{text}");
}

#[test]
fn what_is_no_stream_is_refused_with_the_reason() {
    let program = Program::new();
    let mut shown = String::new();
    for text in [
        "",
        "a: [",
        "kind: Deployment\napiVersion: apps/v1\n",
        "kind: ImageStream\napiVersion: image.openshift.io/v2\nmetadata: {name: a}\n",
        "kind: ImageStream\napiVersion: v1\nmetadata: {}\n",
        "kind: ImageStream\napiVersion: v1\nmetadata: {name: ../a}\n",
        "kind: ImageStream\napiVersion: v1\nmetadata: {name: a}\nspec: {tags: [{name: 'a b'}]}\n",
        "kind: ImageStream\napiVersion: v1\nmetadata: {name: a}\nspec: {tags: [{name: b, from: {kind: File, name: x}}]}\n",
        "kind: ImageStream\napiVersion: v1\nmetadata: {name: a}\nstatus: 3\n",
    ] {
        let run = program.invoke(&["stream", "create", "-f", "-"]).stdin(text).run();
        shown.extend([&run.shown(), "\n"]);
    }
    insta::assert_snapshot!(shown, @r"
    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: it holds no `ImageStream`

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: this is not YAML: did not find expected node content

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: its `kind` is `Deployment`, and not `ImageStream`

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: its `apiVersion` is `image.openshift.io/v2`, and not `image.openshift.io/v1`

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: it is no `ImageStream`: missing field `name`

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: it is no `ImageStream`: `../a` cannot be a stream\'s name: it holds a `/`

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: it is no `ImageStream`: ` ` cannot stand in the tag `a b` (letters, digits, `_`, `.` and `-`)

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: it is no `ImageStream`: unknown variant `File`, expected one of `DockerImage`, `ImageStreamTag`, `ImageStreamImage`

    exit 2
    --- stdout
    --- stderr
    error: cannot take streams from -
      because: it is no `ImageStream`: invalid type: integer `3`, expected struct Status
    ");
    taken(&program, "kind: ImageStream\napiVersion: v1\nmetadata: {name: a}\n");
    let again = program.invoke(&["stream", "create", "a"]).run().code(1);
    again.says("there is a stream `a` already");
    std::fs::write(file(&program, "b"), "kind: ImageStream\napiVersion: v1\nmetadata: {name: a}\n").unwrap();
    program.run(&["stream", "show", "b"]).code(2).says("holds the stream `a`, and not `b`");
    program.run(&["stream", "list"]).code(7);
    program.run(&["stream", "create", "-f", "nothing.yaml"]).code(1).says("there is no such file");
}

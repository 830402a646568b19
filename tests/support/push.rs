//! Puts images into registries and asks them questions without the program, so that no test depends on the
//! program for its own setting up.

use std::future::Future;

use reqwest::{Certificate, Method, StatusCode};

use super::certificates::{Authority, Identity};
use super::images::{Content, Image};

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A plain client of one registry.
pub(crate) struct Registry {
    client: reqwest::Client,
    url: String,
    authorization: Option<String>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Registry {
    /// The registry at `url`, over plain HTTP.
    pub(crate) fn at(url: &str) -> Self {
        Self::new(url, reqwest::Client::builder())
    }

    /// The registry at `url`, whose certificate is of `authority`.
    pub(crate) fn trusting(url: &str, authority: &Authority) -> Self {
        let certificate = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        Self::new(url, reqwest::Client::builder().tls_certs_only([certificate]))
    }

    /// As [`Registry::trusting`], showing a client's certificate.
    pub(crate) fn with_certificate(url: &str, authority: &Authority, client: &Identity) -> Self {
        let both = format!("{}{}", client.certificate_pem, client.key.serialize_pem());
        let identity = reqwest::Identity::from_pem(both.as_bytes()).unwrap();
        let certificate = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
        Self::new(url, reqwest::Client::builder().tls_certs_only([certificate]).identity(identity))
    }

    fn new(url: &str, client: reqwest::ClientBuilder) -> Self {
        let client = client.no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, url: url.to_owned(), authorization: None }
    }

    /// Shows a user name and password with every request.
    pub(crate) fn basic(mut self, user: &str, password: &str) -> Self {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.authorization = Some(format!("Basic {encoded}"));
        self
    }

    /// Shows a token with every request.
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// Sends one request; `target` is a path with a query, or a whole URL.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        block_on(self.send(method, target, headers, body)).unwrap()
    }

    /// As [`Registry::request`], where the connection itself may fail.
    ///
    /// # Errors
    /// No connection, or one that ended early.
    pub(crate) fn try_request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> reqwest::Result<Answer> {
        block_on(self.send(method, target, headers, body))
    }

    /// GET without a header.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.request("GET", target, &[], b"")
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> reqwest::Result<Answer> {
        let url = if target.starts_with('/') { format!("{}{target}", self.url) } else { target.to_owned() };
        let mut request = self.client.request(Method::from_bytes(method.as_bytes()).unwrap(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        if !matches!(method, "GET" | "HEAD" | "DELETE") {
            request = request.body(body.to_vec());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }

    /// Pushes an image with all that it names, under its digest and under every one of `tags`.
    pub(crate) fn push(&self, repository: &str, image: &Image, tags: &[&str]) {
        for blob in image.all_blobs() {
            self.push_blob(repository, blob);
        }
        for manifest in image.all_manifests() {
            self.push_manifest(repository, manifest, &manifest.digest);
        }
        for tag in tags {
            self.push_manifest(repository, &image.manifest, tag);
        }
    }

    /// Pushes one blob.
    pub(crate) fn push_blob(&self, repository: &str, blob: &Content) {
        let begun = self.request("POST", &format!("/v2/{repository}/blobs/uploads/"), &[], b"");
        assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
        let location = begun.header("location").unwrap();
        let joint = if location.contains('?') { '&' } else { '?' };
        let done = self.request("PUT", &format!("{location}{joint}digest={}", blob.digest), &[], &blob.bytes);
        assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    }

    /// Pushes one manifest under a tag or its digest.
    pub(crate) fn push_manifest(&self, repository: &str, manifest: &Content, reference: &str) {
        let target = format!("/v2/{repository}/manifests/{reference}");
        let done = self.request("PUT", &target, &[("Content-Type", &manifest.media_type)], &manifest.bytes);
        assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    }

    /// The manifest under a tag or digest, where there is one.
    pub(crate) fn manifest(&self, repository: &str, reference: &str) -> Option<Content> {
        let accept = tranship::image::MediaType::ACCEPTED.join(", ");
        let target = format!("/v2/{repository}/manifests/{reference}");
        let found = self.request("GET", &target, &[("Accept", &accept)], b"");
        let media_type = found.header("content-type").unwrap_or_default().to_owned();
        (found.status == 200).then(|| Content::new(&media_type, found.body))
    }

    /// Whether an image is there with all that it names, every byte of it.
    pub(crate) fn holds(&self, repository: &str, image: &Image) -> bool {
        let blobs = image.all_blobs();
        let manifests = image.all_manifests();
        blobs.iter().all(|blob| self.get(&format!("/v2/{repository}/blobs/{}", blob.digest)).body == blob.bytes)
            && manifests.iter().all(|manifest| {
                self.manifest(repository, &manifest.digest).is_some_and(|found| found.bytes == manifest.bytes)
            })
    }
}

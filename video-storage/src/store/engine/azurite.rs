//! The container of the emulator Azurite. It comes without one, its account is known to everybody,
//! and what is in it is nobody's: the service makes the container itself. That of a real account is
//! its owner's to make, who decides on its region, its copies and its network.

use object_store::ClientOptions;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpConnector as _, HttpRequest, HttpRequestBody, ReqwestConnector};

use super::OpenError;

/// A container of an emulator.
#[derive(Debug)]
pub(in crate::store) struct Container {
    credential: AzureCredential,
    account: String,
    url: String,
    options: ClientOptions,
}

impl Container {
    pub(super) fn new(
        account: &str,
        key: &str,
        url: String,
        options: ClientOptions,
    ) -> Result<Self, OpenError> {
        let key = AzureAccessKey::try_new(key).map_err(|error| OpenError::Engine(error.into()))?;
        Ok(Self {
            credential: AzureCredential::AccessKey(key),
            account: account.to_owned(),
            url,
            options,
        })
    }

    /// Makes the container unless it is there
    /// (<https://learn.microsoft.com/rest/api/storageservices/create-container>).
    pub(in crate::store) async fn make(&self) -> object_store::Result<()> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
                store: "Azurite",
                source,
            };
        let mut request = HttpRequest::new(HttpRequestBody::from(Vec::new()));
        *request.method_mut() = axum::http::Method::PUT;
        *request.uri_mut() = format!("{}?restype=container", self.url)
            .parse()
            .map_err(|error| failed(Box::new(error)))?;
        request
            .headers_mut()
            .insert("content-length", axum::http::HeaderValue::from_static("0"));
        AzureAuthorizer::new(&self.credential, &self.account).try_authorize(&mut request)?;
        let client = ReqwestConnector::default().connect(&self.options)?;
        let answer = client.execute(request).await;
        let status = answer.map_err(|error| failed(Box::new(error)))?.status();
        // 409: it is there.
        if status.is_success() || status.as_u16() == 409 {
            Ok(())
        } else {
            Err(failed(
                format!("the container cannot be made: {status}").into(),
            ))
        }
    }
}

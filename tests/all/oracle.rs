//! The oracle: wasmtime with its component model, running the components that the product lowers.

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::p2::bindings::http::types::Scheme;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

struct Ctx {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    table: ResourceTable,
    hooks: Outgoing,
}

/// Whether requests leave the oracle; without a word they do not, as here.
#[derive(Clone, Copy)]
enum Outgoing {
    Denied,
    Allowed,
}

type Sending = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Sending,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Sending), Error>> + Send> {
        let allowed = *self;
        Box::new(async move {
            let Outgoing::Allowed = allowed else { return Err(Error::HttpRequestDenied) };
            let (response, sending) = wasmtime_wasi_http::default_send_request(request, options).await?;
            let sending: Sending = Box::new(sending);
            Ok((response.map(http_body_util::BodyExt::boxed_unsync), sending))
        })
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for Ctx {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.hooks }
    }
}

/// Serves a component on loopback until the test ends.
pub(crate) async fn serve(component: &[u8]) -> wasmtime::Result<SocketAddr> {
    serve_with(component, Outgoing::Denied).await
}

/// Serves a component that may send requests.
pub(crate) async fn serve_sending(component: &[u8]) -> wasmtime::Result<SocketAddr> {
    serve_with(component, Outgoing::Allowed).await
}

async fn serve_with(component: &[u8], hooks: Outgoing) -> wasmtime::Result<SocketAddr> {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, component)?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    let pre = Arc::new(ProxyPre::new(linker.instantiate_pre(&component)?)?);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let pre = pre.clone();
            let service = service_fn(move |request| answer(pre.clone(), hooks, request));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(addr)
}

async fn answer(
    pre: Arc<ProxyPre<Ctx>>,
    hooks: Outgoing,
    request: hyper::Request<hyper::body::Incoming>,
) -> wasmtime::Result<hyper::Response<HyperOutgoingBody>> {
    let ctx = Ctx { wasi: WasiCtx::builder().build(), http: WasiHttpCtx::new(), table: ResourceTable::new(), hooks };
    let mut store = Store::new(pre.engine(), ctx);
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let outparam = store.data_mut().http().new_response_outparam(sender)?;
    tokio::spawn(async move {
        let proxy = pre.instantiate_async(&mut store).await?;
        proxy.wasi_http_incoming_handler().call_handle(store, request, outparam).await
    });
    Ok(receiver.await??)
}
